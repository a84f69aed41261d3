import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import {
  checkDiskSize,
  createExt4,
  type ExistingLock,
  type LockMode,
  registerUnfinished,
  syncDirectoryNow,
  syncFile,
  tryLockExisting,
  withTemporaryName,
} from '../../host/index.ts';
import { DiskError } from './error.ts';
import { lockDisk } from './lock.ts';
import { isVolumeName } from './volume.ts';

/** Bytes of a volume unless said otherwise. It takes room as it is filled. */
export const volumeSize = 8 * 2 ** 30;

export interface StoredVolume {
  readonly name: string;
  readonly path: string;
  /** Bytes that it can hold, its own tables counted, and bytes that it takes on the disk. */
  readonly size: number;
  readonly used: number;
  readonly modified: Date;
  /** A zone has it. */
  readonly inUse: boolean;
}

const extension = '.img';

/**
 * The volumes that the cache keeps: `ROOT/volumes/NAME.img`, each a sparse ext4 with a journal. They outlive every
 * zone.
 */
export class Volumes {
  readonly #directory: string;

  /** The root of the cache, which is there. */
  constructor(root: string) {
    this.#directory = join(root, 'volumes');
  }

  /**
   * The path of a volume, which is made if it is not there; the size of one that is there stays. Two who make one at
   * once get the same. Errors as `createExt4`.
   */
  async ensure(
    name: string,
    options: {
      readonly bytes?: number | undefined;
      readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<string> {
    const path = this.#path(name);
    const { bytes: size = volumeSize, owner, signal } = options;
    checkDiskSize(size);
    if (this.#find(name) !== undefined) return path;
    try {
      this.#createDirectory();
      await this.#create(path, { size, owner, signal });
    } catch (error) {
      throw wrapErrno(error, `cannot make the volume ${name}`);
    }
    return path;
  }

  /** All of them, by name. */
  list(): readonly StoredVolume[] {
    let names: string[];
    try {
      names = readdirSync(this.#directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw wrapErrno(error, `cannot list ${this.#directory}`);
    }
    return names
      .filter(file => file.endsWith(extension))
      .map(file => file.slice(0, -extension.length))
      .filter(isVolumeName)
      .sort()
      .flatMap(name => this.#describe(name) ?? []);
  }

  /** Removes one, with all that is in it. DiskError `conflict` while a zone has it, `not-found`. */
  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    if (this.#find(name) === undefined) {
      throw new DiskError('not-found', `there is no volume ${JSON.stringify(name)}`, {
        detail: { name, volumes: this.list().map(({ name }) => name) },
      });
    }
    using _lock = await lockDisk(path, 'exclusive');
    try {
      unlinkSync(path);
      syncDirectoryNow(this.#directory);
    } catch (error) {
      throw wrapErrno(error, `cannot remove the volume ${name}`);
    }
  }

  /** `lockDisk` of a volume that `ensure` has given; DiskError `conflict`, too, if it was removed since. */
  async lock(
    path: string,
    mode: LockMode = 'exclusive',
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ExistingLock> {
    const lock = await lockDisk(path, mode, options);
    // Whoever removes a volume holds it until its name is gone.
    if (fstatSync(lock.fd).nlink > 0) return lock;
    lock[Symbol.dispose]();
    throw new DiskError('conflict', `${path} was removed`, { detail: { path } });
  }

  #path(name: string): string {
    if (isVolumeName(name)) return join(this.#directory, name + extension);
    throw new DiskError('invalid', `${JSON.stringify(name.slice(0, 200))} cannot be a volume's name`, {
      hint: 'a name begins with a letter or a digit, and has letters, digits and . _ - only',
    });
  }

  #find(name: string): Stats | undefined {
    const path = this.#path(name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isFile()) return stats;
    throw new DiskError('invalid', `${path} is no regular file`, { detail: { path } });
  }

  #describe(name: string): StoredVolume | undefined {
    const path = this.#path(name);
    try {
      const stats = lstatSync(path);
      if (!stats.isFile()) return undefined;
      const lock = tryLockExisting(path);
      lock?.[Symbol.dispose]();
      const { size, blocks, mtime } = stats;
      return { name, path, size, used: blocks * 512, modified: mtime, inUse: lock === undefined };
    } catch (error) {
      // It was removed meanwhile.
      if (isErrno(error, 'ENOENT')) return undefined;
      throw wrapErrno(error, `cannot look at the volume ${name}`);
    }
  }

  #createDirectory(): void {
    try {
      mkdirSync(this.#directory, { mode: 0o700 });
      syncDirectoryNow(join(this.#directory, '..'));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }

  async #create(path: string, options: Omit<Parameters<typeof createExt4>[1], 'journal'>): Promise<void> {
    const temporary = withTemporaryName(path, '.tmp', name => name);
    const release = registerUnfinished(() => rmSync(temporary, { force: true }));
    try {
      await createExt4(temporary, { ...options, journal: true });
      await syncPath(temporary);
      // A link, for it does not replace what somebody else has made meanwhile.
      linkSync(temporary, path);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    } finally {
      rmSync(temporary, { force: true });
      release();
    }
    syncDirectoryNow(this.#directory);
  }
}

async function syncPath(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    await syncFile(fd);
  } finally {
    closeSync(fd);
  }
}
