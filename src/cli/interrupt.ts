import { constants } from 'node:os';
import { removeUnfinished } from '../engine/host.ts';
import { ShaleError } from '../error/index.ts';
import { tell } from './output.ts';

/** What asks the process to end. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** 128 and the number of the signal that came, as shells report it; undefined if none did. */
  status(): number | undefined;
}

/**
 * From here on the first SIGINT, SIGTERM or SIGHUP aborts, so that the work can clean up; a second one ends the process at
 * once. However it ends, unless it is killed outright, unfinished files are removed.
 */
export function watchInterrupts(): Interruption {
  const controller = new AbortController();
  let status: number | undefined;
  process.on('exit', removeUnfinished);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      const again = status !== undefined;
      status = 128 + constants.signals[name];
      if (again) process.exit(status);
      controller.abort(new ShaleError('cancelled', 'interrupted'));
    });
  }
  return { signal: controller.signal, status: () => status };
}

/** What the shell reports for a program that SIGPIPE ended. */
const brokenPipeStatus = 141;

/** A reader that goes away (`shale ls … | head`) ends the process quietly; so does a standard error that is gone, once it is used. */
export function watchPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(brokenPipeStatus);
    tell(`shale: cannot write to standard output: ${error.message}`);
    process.exit(1);
  });
  process.stderr.on('error', () => {});
}
