import { join } from 'node:path';
import { type FileLock, tryLock } from '../host/index.ts';

/** The lock of a channel: of those processes that share a zone, one has it. */
export function lockChannel(directory: string, channel: number): FileLock | undefined {
  return tryLock(join(directory, `channel-${channel}.lock`));
}
