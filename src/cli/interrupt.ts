import { constants } from 'node:os';
import { removeUnfinished } from '../engine/host.ts';
import { ShaleError } from '../error/index.ts';
import { tell } from './output.ts';

/** What asks the process to end. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** 128 and the number of the signal that aborted, as shells report it; undefined if none did. */
  status(): number | undefined;
  /** Aborts as if the signal had come. */
  interrupt(name: NodeJS.Signals): void;
  /** From here on SIGINT, SIGTERM and SIGHUP go to `take` and mean nothing else; the result undoes it. */
  redirect(take: (name: NodeJS.Signals) => void): () => void;
}

/**
 * From here on the first SIGINT, SIGTERM or SIGHUP aborts, so that the work can clean up; a second one ends the process at
 * once. However it ends, unless it is killed outright, unfinished files are removed.
 */
export function watchInterrupts(): Interruption {
  const controller = new AbortController();
  let status: number | undefined;
  const interrupt = (name: NodeJS.Signals) => {
    const again = status !== undefined;
    status = 128 + constants.signals[name];
    if (again) process.exit(status);
    controller.abort(new ShaleError('cancelled', 'interrupted'));
  };
  let take = interrupt;
  process.on('exit', removeUnfinished);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => take(name));
  return {
    signal: controller.signal,
    status: () => status,
    interrupt,
    redirect: other => {
      take = other;
      return () => {
        take = interrupt;
      };
    },
  };
}

/** What the shell reports for a program that SIGPIPE ended. */
export const brokenPipeStatus = 141;

let whenReaderLeaves = () => process.exit(brokenPipeStatus);

/** A reader that goes away (`shale ls … | head`) ends the process quietly; so does a standard error that is gone, once it is used. */
export function watchPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return whenReaderLeaves();
    tell(`shale: cannot write to standard output: ${error.message}`);
    process.exit(1);
  });
  process.stderr.on('error', () => {});
}

/** For who has to clean up before the process ends: `leave` is called instead, once for each write that fails; the result undoes it. */
export function redirectBrokenPipe(leave: () => void): () => void {
  const before = whenReaderLeaves;
  whenReaderLeaves = leave as typeof before;
  return () => {
    whenReaderLeaves = before;
  };
}
