import type { ZoneControl, ZoneEnd, ZoneStreams } from '../../engine/zone/request.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { brokenPipeStatus, redirectBrokenPipe } from '../interrupt.ts';
import { flush, flushErrors, printBytes, printErrorBytes, safe, tell } from '../output.ts';
import type { StandardInput } from '../terminal/index.ts';
import { forwardSignals } from './signals.ts';

export interface SessionOptions {
  /** Whether the process reads our standard input. */
  readonly interactive: boolean;
  /** Whether it has a terminal. */
  readonly tty: boolean;
  /** Whether Ctrl-P Ctrl-Q lets go of it. */
  readonly mayDetach: boolean;
}

/** What a process in a zone gets of us. */
export interface Session {
  readonly streams: ZoneStreams;
  /** Aborted where the process is to be given up. */
  readonly signal: AbortSignal;
  /** From here on signals go to the process, and what is typed. */
  readonly onStart: (zone: ZoneControl) => void;
  /** Ends lines as the terminal needs it now. */
  tell(line: string): void;
}

/**
 * Lends our streams, our terminal and our signals to a process in a zone, and takes them back whatever happens. Resolves to the
 * exit status: the process's own, 124 for a time limit, 141 if nobody reads what it wrote.
 */
export async function withSession(
  { signal, interruption, values }: Invocation,
  { interactive, tty, mayDetach }: SessionOptions,
  use: (session: Session) => Promise<ZoneEnd>,
): Promise<number> {
  if (tty && process.stdin.isTTY !== true) {
    throw new UsageError(
      '-t needs a terminal, and standard input is none',
      'leave -t out: -i alone passes data through',
    );
  }
  const terminal = interactive || tty ? await import('../terminal/index.ts') : undefined;
  const undo: (() => void)[] = [];
  const brokenPipe = new AbortController();
  undo.push(redirectBrokenPipe(() => brokenPipe.abort()));
  let zone: ZoneControl | undefined;
  let input: StandardInput | undefined;
  if (interactive) {
    const keys = tty && mayDetach ? new terminal!.DetachKeys() : undefined;
    input = new terminal!.StandardInput({
      filter: keys && (bytes => passKeys(keys.type(bytes), () => zone?.detach())),
    });
  }
  let raw = false;
  const size = tty ? terminal!.createTerminalSize() : undefined;
  undo.push(forwardSignals(interruption, { tty, zone: () => zone }));
  const session: Session = {
    streams: { stdin: input, stdout: printBytes, stderr: printErrorBytes, terminal: size },
    signal: AbortSignal.any([signal, brokenPipe.signal]),
    onStart: started => {
      zone = started;
      if (tty && interactive) {
        raw = true;
        undo.push(terminal!.enterRawMode());
      }
      input?.open();
    },
    tell: line => (raw ? process.stderr.write(`${line}\r\n`) : tell(line)),
  };
  let end: ZoneEnd;
  try {
    end = await use(session);
  } catch (error) {
    if (brokenPipe.signal.aborted) return brokenPipeStatus;
    throw error;
  } finally {
    raw = false;
    input?.close();
    for (const take of undo.reverse()) take();
  }
  await Promise.all([flush(), flushErrors()]);
  // As a shell says it: that is an error, no notice.
  if (end.failure !== undefined) tell(`shale: ${safe(end.failure)}`);
  if (values.quiet !== true) explain(end);
  return brokenPipe.signal.aborted ? brokenPipeStatus : end.timedOut === true ? 124 : (end.status ?? 0);
}

/** What goes on to the process; once the keys were typed nothing does, until somebody closes the input. */
function passKeys(
  { pass, detached }: { readonly pass: Uint8Array; readonly detached: boolean },
  detach: () => void,
): Uint8Array | undefined {
  if (detached) detach();
  return detached ? undefined : pass;
}

function explain({ timedOut, outOfMemory }: ZoneEnd): void {
  if (timedOut) tell('shale: the command was killed: it ran longer than --timeout allows');
  else if (outOfMemory) tell('shale: the zone ran out of memory; --memory gives it more');
}
