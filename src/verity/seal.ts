import { closeSync, constants, openSync } from 'node:fs';
import { isErrno, wrapErrno } from '../error/index.ts';
import {
  enableFsverity,
  findFilesystemName,
  isImmutable,
  measureFsverity,
  setImmutable,
  throwIfAborted,
} from '../host/index.ts';
import { VerityError } from './error.ts';
import { parseFsverityDigest } from './fs-verity.ts';
import { measureFile } from './measure.ts';

/** Whether it was done; if not, why: half a sentence for people. */
export type SealOutcome = { readonly done: true } | { readonly done: false; readonly reason: string };

export interface Sealed {
  /** The filesystem checks every read of the file, against the digest that was expected. */
  readonly fsverity: SealOutcome;
  /** Nobody changes, renames or removes the file before `unsealFile`. */
  readonly immutable: SealOutcome;
}

export interface SealOptions {
  /** The fs-verity digest that the file should have, `sha256:…`; computed if not given, once the kernel has its own. */
  readonly expected?: string | undefined;
  readonly jobs?: number | undefined;
  /** Both if absent. */
  readonly steps?: readonly SealStep[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type SealStep = 'fsverity' | 'immutable';

/**
 * Has the filesystem keep a finished file as it is: enables fs-verity, and sets the immutable flag; each as far as the filesystem and our
 * privileges allow, and what was not possible is said. A file that is sealed already stays so. fs-verity cannot be taken away from a
 * file again, but by removing it; it is there also for whoever copies the disk, the flag is not.
 *
 * The kernel reads all of the file, and this thread waits for it. VerityError `corrupt` if it then has another digest than was expected: the
 * file is not what it should be, or reads differently now. `not-found` and the like.
 */
export async function sealFile(path: string, options: SealOptions = {}): Promise<Sealed> {
  const { expected, steps = ['fsverity', 'immutable'], ...measuring } = options;
  const wanted = expected === undefined ? undefined : parseFsverityDigest(expected);
  throwIfAborted(options.signal);
  using file = new ReadOnly(path);
  const fsverity = attempt(path, steps, 'fsverity', () => {
    if (!isEnabled(file.fd)) enableFsverity(file.fd);
  });
  if (fsverity.done) {
    const actual = measureFsverity(file.fd);
    const right = wanted ?? (await measureFile(path, measuring)).fsverity;
    if (actual !== right) {
      throw new VerityError(
        'corrupt',
        `${path} has the fs-verity digest ${actual ?? 'of another hash'}, not ${right}`,
        {
          detail: { path, expected: right, actual },
        },
      );
    }
  }
  return { fsverity, immutable: attempt(path, steps, 'immutable', () => setImmutable(file.fd, 'set')) };
}

/** Clears the immutable flag, so that the file can be removed. Where there is none, that is done already. */
export function unsealFile(path: string): SealOutcome {
  using file = new ReadOnly(path);
  return attempt(path, ['immutable'], 'immutable', () => {
    try {
      if (!isImmutable(file.fd)) return;
    } catch (error) {
      if (isErrno(error, 'ENOTTY', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) return;
      throw error;
    }
    setImmutable(file.fd, 'cleared');
  });
}

/** Also where nothing can be enabled any more, of an immutable file. */
function isEnabled(fd: number): boolean {
  try {
    measureFsverity(fd);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENODATA')) return false;
    throw error;
  }
}

class ReadOnly implements Disposable {
  readonly fd: number;

  constructor(path: string) {
    try {
      this.fd = openSync(
        path,
        constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
      );
    } catch (error) {
      throw wrapErrno(error, `cannot read ${path}`);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

function attempt(path: string, steps: readonly SealStep[], step: SealStep, work: () => void): SealOutcome {
  if (!steps.includes(step)) return { done: false, reason: 'it was not asked for' };
  try {
    work();
    return { done: true };
  } catch (error) {
    const reason = findReason(error, path, step);
    if (reason === undefined) throw wrapErrno(error, `cannot seal ${path}`);
    return { done: false, reason };
  }
}

/** What stands in the way, where that is a property of the place or of who we are. */
function findReason(error: unknown, path: string, step: SealStep): string | undefined {
  const own = step === 'fsverity';
  if (isErrno(error, 'ENOSYS')) return 'needs the C library, through koffi';
  if (isErrno(error, 'ENOTTY', 'EOPNOTSUPP', 'ENOTSUP')) {
    const where = findFilesystemName(path);
    if (own && !isErrno(error, 'ENOTTY')) {
      return `fs-verity is off here: this filesystem (${where}) was made without it, or the kernel is`;
    }
    return `this filesystem has no ${own ? 'fs-verity' : 'immutable flag'} (${where})`;
  }
  if (isErrno(error, 'EROFS')) return 'the filesystem is mounted read-only';
  if (isErrno(error, 'EPERM', 'EACCES')) {
    return own ? 'needs write access to the file, which must not be immutable' : 'needs CAP_LINUX_IMMUTABLE';
  }
  if (!own) return undefined;
  if (isErrno(error, 'ETXTBSY')) return 'somebody has the file open for writing';
  if (isErrno(error, 'EBUSY')) return 'somebody else is enabling fs-verity';
  if (isErrno(error, 'EINVAL', 'ENOPKG')) return 'the filesystem takes no sha256 of blocks of 4096 bytes';
  return isErrno(error, 'ENOSPC', 'EDQUOT', 'EFBIG') ? 'there is no room for its Merkle tree' : undefined;
}
