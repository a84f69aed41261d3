import { join } from 'node:path';
import { type FileLock, tryLock } from '../host/index.ts';

/**
 * How many conversations a zone has at once: its launcher's and those of exec, stop and the like, of which more wait for each other. Each costs an
 * emulated machine 20 ms of its boot, and some memory.
 */
export const channels = 4;

/** The lock of a channel: of those processes that share a zone, one has it. */
export function lockChannel(directory: string, channel: number): FileLock | undefined {
  return tryLock(join(directory, `channel-${channel}.lock`));
}
