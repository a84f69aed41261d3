import { setTimeout } from 'node:timers/promises';
import { wrapErrno } from '../../error/index.ts';
import { type ExistingLock, type LockMode, throwIfAborted, tryLockExisting } from '../../host/index.ts';
import { DiskError } from './error.ts';

/** Whoever only looks whether a disk is in use holds it for a moment; so long is that waited for, in milliseconds. */
const patience = 500;
const pause = 20;

/**
 * Claims a disk for a zone: `exclusive` to write to it, `shared` to read it along with others. Held until it is
 * disposed, and by every process that has inherited its descriptor: a hypervisor that is given `fd` keeps the disk to
 * itself when Shale is gone. DiskError `conflict` while another zone has it.
 */
export async function lockDisk(
  path: string,
  mode: LockMode,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ExistingLock> {
  const end = Date.now() + patience;
  for (;;) {
    throwIfAborted(options.signal);
    let lock: ExistingLock | undefined;
    try {
      lock = tryLockExisting(path, mode);
    } catch (error) {
      throw wrapErrno(error, `cannot open ${path}`);
    }
    if (lock !== undefined) return lock;
    if (Date.now() > end) throw inUse(path, mode);
    await setTimeout(pause);
  }
}

function inUse(path: string, mode: LockMode): DiskError {
  return new DiskError('conflict', `${path} is in use by another zone`, {
    detail: { path, mode },
    hint:
      mode === 'shared' ? 'wait until that zone has ended' : 'stop that zone, or let both use it with :ro',
  });
}
