import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsoleTail } from '../console.ts';
import { VmmError } from '../error.ts';
import type { MachineProcess } from '../machine-process.ts';

const grace = 200;
const mostWords = 2000;

/**
 * Ends a hypervisor that could not be brought up, and says why as well as can be told: a process that is gone has
 * often said it on its error output or, Firecracker, on the console, and the call that failed only saw it hang up.
 */
export async function giveUp(error: unknown, process: MachineProcess, tail: ConsoleTail): Promise<unknown> {
  const unavailable = error instanceof VmmError && error.code === 'unavailable';
  const end = await Promise.race([process.ended, sleep(unavailable ? grace : 0)]);
  await process.kill();
  const { stderr } = await process.ended;
  process.detach();
  if (!(error instanceof VmmError)) return error;
  const words = [stderr, tail.text].map(text => text.trim().slice(-mostWords)).filter(text => text !== '');
  const { code, message, hint, detail } = error;
  const why = end && words.length > 0 ? `, and ended: ${words.join('\n')}` : '';
  return new VmmError(code, `${message}${why}`, {
    cause: error,
    detail: { ...detail, ...(words.length > 0 ? { words: words.join('\n') } : {}) },
    ...(hint === undefined ? {} : { hint }),
  });
}
