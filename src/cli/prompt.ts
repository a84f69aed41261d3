import { ShaleError } from '../error/index.ts';
import { UsageError } from './error.ts';

/** More than any password or token has; what is read from standard input is bounded by it. */
const longest = 64 * 1024;

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/**
 * Asks at the terminal for one line; with `secret` what is typed is not shown. The question goes to standard error. Ctrl-C
 * and the signal reject with `cancelled`.
 */
export async function ask(
  question: string,
  { secret, signal }: { readonly secret: boolean; readonly signal: AbortSignal },
): Promise<string> {
  const { stdin } = process;
  // Raw in both cases: one way to end, to correct and to cancel a line. And before the question, for some type fast.
  stdin.setRawMode(true);
  process.stderr.write(question);
  stdin.setEncoding('utf8');
  try {
    return await new Promise<string>((resolve, reject) => {
      const line = new Line(secret ? () => {} : text => process.stderr.write(text));
      const cancel = () => reject(new ShaleError('cancelled', 'cancelled'));
      stdin.on('data', (text: string) => {
        const end = line.type(text);
        if (end === 'cancelled') cancel();
        else if (end === 'entered') resolve(line.text);
      });
      stdin.on('end', () => resolve(line.text));
      signal.addEventListener('abort', cancel, { once: true });
      // A second question finds it paused by the first.
      stdin.resume();
    });
  } finally {
    stdin.removeAllListeners('data');
    stdin.removeAllListeners('end');
    stdin.setRawMode(false);
    stdin.pause();
    process.stderr.write('\n');
  }
}

/** A line as it is typed: Backspace and Ctrl-U correct it, Enter and Ctrl-D end it, Ctrl-C cancels it. */
export class Line {
  readonly #echo: (text: string) => void;
  #characters: string[] = [];

  constructor(echo: (text: string) => void) {
    this.#echo = echo;
  }

  get text(): string {
    return this.#characters.join('');
  }

  type(text: string): 'entered' | 'cancelled' | undefined {
    for (const character of text) {
      switch (character) {
        case '\r':
        case '\n':
        case '\x04':
          return 'entered';
        case '\x03':
          return 'cancelled';
        case '\x7f':
        case '\b':
          if (this.#characters.pop() !== undefined) this.#echo('\b \b');
          break;
        case '\x15':
          this.#echo('\b \b'.repeat(this.#characters.length));
          this.#characters = [];
          break;
        default:
          if (character < ' ' || this.#characters.length >= longest) break;
          this.#characters.push(character);
          this.#echo(character);
      }
    }
    return undefined;
  }
}

/** All of standard input, without the line end that `echo` adds. */
export async function readSecretInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longest) {
      throw new UsageError('what standard input holds is too long for a password', 'see shale login --help');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
