import type { LogRecord } from '../../engine/zone/request.ts';

type Write = (bytes: Uint8Array) => Promise<void>;

export interface LogPrinterOptions {
  /** Whether each line begins with its time. */
  readonly timestamps: boolean;
  /** How many lines of what was there already are printed; all of them if absent. */
  readonly tail?: number | undefined;
  readonly stdout: Write;
  readonly stderr: Write;
}

const newline = 0x0a;

/** A piece of a line that is to be written. */
interface Piece {
  readonly stream: LogRecord['stream'];
  readonly bytes: Uint8Array;
  /** Whether a line begins with it. */
  readonly begins: boolean;
}

/**
 * Writes what a zone has written to where it belongs, as bytes. A line may come in several records, and the two streams may be
 * mixed in the middle of one; each has its own lines. What was there already is held until `catchUp` where only its end is wanted: a
 * journal is small.
 */
export function createLogPrinter({ timestamps, tail, stdout, stderr }: LogPrinterOptions): {
  take(record: LogRecord): Promise<void>;
  /** All that was there has been taken. Safe to call twice. */
  catchUp(): Promise<void>;
} {
  const write = { stdout, stderr };
  const atStart = { stdout: true, stderr: true };
  let held: Piece[] | undefined = tail === undefined ? undefined : [];
  const print = async ({ stream, bytes }: Piece) => await write[stream](bytes);
  return {
    take: async ({ time, stream, bytes }) => {
      const pieces = timestamps || held !== undefined ? splitLines(bytes) : [bytes];
      for (const bytes of pieces) {
        const begins = atStart[stream];
        atStart[stream] = bytes.at(-1) === newline;
        const stamp = timestamps && begins ? `${time.toISOString()} ` : '';
        const piece = {
          stream,
          begins,
          bytes: stamp === '' ? bytes : Buffer.concat([Buffer.from(stamp), bytes]),
        };
        if (held === undefined) await print(piece);
        else held.push(piece);
      }
    },
    catchUp: async () => {
      const pieces = held ?? [];
      held = undefined;
      let lines = 0;
      let first = pieces.length;
      while (first > 0 && lines < tail!) {
        first -= 1;
        if (pieces[first]!.begins) lines += 1;
      }
      for (const piece of pieces.slice(first)) await print(piece);
    },
  };
}

/** Pieces that end with their newline, but perhaps the last. */
function splitLines(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let begin = 0; begin < bytes.length; ) {
    const found = bytes.indexOf(newline, begin);
    const end = found === -1 ? bytes.length : found + 1;
    pieces.push(bytes.subarray(begin, end));
    begin = end;
  }
  return pieces;
}
