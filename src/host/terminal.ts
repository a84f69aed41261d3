import { call, findCall } from './libc.ts';

/** Larger than any libc's `struct termios`. */
const termiosSize = 128;
/** Of `c_oflag`, the second word; the same number on every architecture that Linux has. */
const OPOST = 1;
const TCSANOW = 0;

/**
 * Makes the terminal hand on every byte as it is written. Node's raw mode leaves newline translation on, which shifts what a
 * full-screen program of another terminal draws. Returning to the mode before raw undoes this as well. Without libc nothing
 * happens.
 */
export function disableOutputProcessing(fd: number): void {
  if (findCall('tcgetattr') === undefined || findCall('tcsetattr') === undefined) return;
  const termios = Buffer.alloc(termiosSize);
  try {
    call('tcgetattr', undefined, fd, termios);
    const words = new Uint32Array(termios.buffer, termios.byteOffset, 4);
    words[1] = words[1]! & ~OPOST;
    call('tcsetattr', undefined, fd, TCSANOW, termios);
  } catch {
    // The terminal has just gone away, or is none.
  }
}
