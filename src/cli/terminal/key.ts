import { ShaleError } from '../../error/index.ts';

/**
 * Waits for one of these keys at the terminal of standard input; others are not heard. Ctrl-D is the end of input: `end`. Ctrl-C and the
 * signal reject with `cancelled`. The terminal is as before afterwards.
 */
export async function readKey<Key extends string>(
  keys: readonly Key[],
  { end, signal }: { readonly end: Key; readonly signal: AbortSignal },
): Promise<Key> {
  const { stdin } = process;
  if (signal.aborted) throw cancelled();
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    return await new Promise<Key>((resolve, reject) => {
      const cancel = () => reject(cancelled());
      stdin.on('data', (text: string) => {
        for (const character of text.replaceAll('\n', '\r')) {
          if (character === '\x03') return cancel();
          if (character === '\x04') return resolve(end);
          const key = keys.find(each => each === character.toLowerCase());
          if (key !== undefined) return resolve(key);
        }
      });
      stdin.on('end', () => resolve(end));
      signal.addEventListener('abort', cancel, { once: true });
      stdin.resume();
    });
  } finally {
    stdin.removeAllListeners('data');
    stdin.removeAllListeners('end');
    stdin.setRawMode(false);
    stdin.pause();
  }
}

function cancelled(): ShaleError {
  return new ShaleError('cancelled', 'cancelled');
}
