import { byteString } from '../tree/index.ts';
import { hasLibc } from './libc.ts';
import { makeNode } from './node.ts';
import { runProgram } from './program.ts';

/** Creates FIFOs, mode 0600 (less the umask), through libc, or through mkfifo(1) where there is no libc. */
export async function createFifos(paths: readonly string[]): Promise<void> {
  if (hasLibc()) for (const path of paths) makeNode(byteString(path), 'fifo');
  else await runProgram('mkfifo', ['-m', '600', '--', ...paths]);
}
