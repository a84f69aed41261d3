import {
  chmodSync,
  closeSync,
  lchownSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { isErrno, ShaleError, Warnings, wrapErrno } from '../../error/index.ts';
import {
  canSyncFilesystem,
  HostError,
  Losses,
  Metadata,
  pathBytes,
  readNames,
  registerUnfinished,
  removeTree,
  Staging,
  syncDirectory,
  syncFilesystem,
  syncParent,
  throwIfAborted,
  umask,
} from '../../host/index.ts';
import { type ByteString, byteString, type NodeInode, type Tree } from '../../tree/index.ts';
import { assemble, type Content } from './assemble.ts';
import { findPlace, type Place, taken } from './place.ts';

export interface DirectoryTargetOptions {
  readonly warnings: Warnings;
  readonly signal?: AbortSignal;
}

/**
 * A directory that gets an image's tree. Files come first, in any order and known by numbers only; then the tree says
 * where each belongs; then the whole becomes visible:
 *
 *     await using target = await DirectoryTarget.create('rootfs', { warnings });
 *     target.beginFile(7, 5); target.appendFile(bytes); target.endFile();
 *     await target.assemble(tree);
 *     await target.commit();
 *
 * Until the commit nothing stands at the target; without one everything is removed. Failures are ShaleErrors.
 */
export class DirectoryTarget implements AsyncDisposable {
  readonly #place: Place;
  readonly #options: DirectoryTargetOptions;
  readonly #staging: Staging;
  readonly #owner: { uid: number; gid: number };
  /** What was moved into a target that cannot be replaced; to be taken out again if the commit fails. */
  readonly #moved: string[] = [];
  #root: NodeInode<unknown> | undefined;
  #committed = false;

  private constructor(place: Place, options: DirectoryTargetOptions) {
    this.#place = place;
    this.#options = options;
    this.#staging = new Staging(place.staging.path);
    this.#owner = createdOwner(place);
  }

  /** The target must be new, in a parent that is there, or an empty directory; otherwise `exists` or `not-found`. */
  static async create(path: string, options: DirectoryTargetOptions): Promise<DirectoryTarget> {
    throwIfAborted(options.signal);
    const place = findPlace(path);
    try {
      return new DirectoryTarget(place, options);
    } catch (error) {
      place.root[Symbol.dispose]();
      place.staging[Symbol.dispose]();
      throw wrapErrno(error, `cannot create ${place.target}`);
    }
  }

  /** Begins a file of `size` bytes. One at a time, each id once; ids are the caller's, safe integers from 0. */
  beginFile(id: number, size: number): void {
    this.#staging.begin(id, size);
  }

  appendFile(chunk: Uint8Array): void {
    this.#staging.append(chunk);
  }

  /** The next `length` bytes are zeros; they take no space on disk. */
  holeFile(length: number): void {
    this.#staging.hole(length);
  }

  /** All bytes must have come. */
  endFile(): void {
    this.#staging.end();
  }

  /**
   * Builds the tree from what was staged; staged files that it does not name are dropped. Once only. What the
   * system does not permit is one `privilege` warning with counts; what the filesystem cannot hold is one warning each.
   */
  async assemble(tree: Tree<Content>): Promise<void> {
    const { root, staging } = this.#place;
    const { warnings, signal } = this.#options;
    const losses = new Losses();
    const metadata = new Metadata(this.#owner, { warnings, losses });
    await assemble(tree, {
      root: root.path,
      staging: this.#staging,
      metadata,
      losses,
      umask: umask(),
      signal,
    });
    metadata.apply(byteString(root.path), '', tree.root.inode);
    this.#root = tree.root.inode;
    losses.report(warnings);
    try {
      staging[Symbol.dispose]();
    } catch (error) {
      throw wrapErrno(error, `cannot remove ${staging.path}`);
    }
  }

  /** Makes the assembled tree durable and visible. In one step, unless the target is one that can only be filled. */
  async commit(): Promise<void> {
    const { root, target, where, existed } = this.#place;
    if (this.#root === undefined) throw new HostError('internal', 'a commit before the tree is assembled');
    try {
      await syncTree(root.path);
      throwIfAborted(this.#options.signal);
      if (where === 'inside') return await this.#fill(this.#root);
      try {
        renameSync(root.path, target);
      } catch (error) {
        if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'))
          throw taken(target, 'has come up meanwhile', error);
        if (!existed || !isErrno(error, 'EBUSY', 'EXDEV', 'EPERM', 'EACCES')) throw error;
        return await this.#fill(this.#root);
      }
      this.#committed = true;
      root.keep();
      await syncParent(target);
    } catch (error) {
      throw wrapErrno(error, `cannot finish ${target}`);
    }
  }

  /** Moves the entries into the target, one by one, and gives it the root's metadata. */
  async #fill(inode: NodeInode<unknown>): Promise<void> {
    const { root, target } = this.#place;
    const others = readNames(byteString(target)).filter(name => name !== byteString(basename(root.path)));
    if (others.length > 0) throw taken(target, 'is not empty any more');
    const from = byteString(root.path);
    const names = readNames(from);
    const release = registerUnfinished(() => this.#takeOut());
    try {
      chmodSync(root.path, 0o700);
      for (const name of names) {
        move(`${from}/${name}`, `${byteString(target)}/${name}`);
        this.#moved.push(`${byteString(target)}/${name}`);
      }
      root[Symbol.dispose]();
      this.#applyRoot(inode);
      await syncDirectory(target);
      this.#committed = true;
    } finally {
      release();
    }
  }

  /** The losses were counted when the metadata was tried on the private directory; this one may be somebody else's. */
  #applyRoot(inode: NodeInode<unknown>): void {
    const { target } = this.#place;
    const owner = lstatSync(target);
    const quiet = { warnings: new Warnings(), losses: new Losses() };
    try {
      new Metadata(owner, quiet).apply(byteString(target), '', inode);
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code !== 'denied') throw error;
      this.#options.warnings.add({
        code: 'privilege',
        message: `left out, for ${target} belongs to another user: the root directory's mode and time`,
      });
    }
  }

  #takeOut(): void {
    for (const path of this.#moved.splice(0)) removeTree(path);
  }

  /** Removes what is not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { root, staging, target } = this.#place;
    this.#staging.close();
    try {
      try {
        if (!this.#committed) this.#takeOut();
      } finally {
        try {
          staging[Symbol.dispose]();
        } finally {
          root[Symbol.dispose]();
        }
      }
    } catch (error) {
      throw wrapErrno(error, `cannot remove what was made of ${target}`);
    }
  }
}

/** Who owns a file that this process creates there: the group may be the parent's. Makes the root's owner the same. */
function createdOwner({ staging, root }: Place): { uid: number; gid: number } {
  const sample = `${staging.path}/sample`;
  writeFileSync(sample, '', { flag: 'wx' });
  const { uid, gid } = lstatSync(sample);
  unlinkSync(sample);
  lchownSync(root.path, uid, gid);
  return { uid, gid };
}

async function syncTree(path: string): Promise<void> {
  if (!canSyncFilesystem()) return;
  const fd = openSync(path, 'r');
  try {
    await syncFilesystem(fd);
  } finally {
    closeSync(fd);
  }
}

/** A directory that moves needs its owner's write permission, for its `..` changes; root needs none. */
function move(from: ByteString, to: ByteString): void {
  try {
    renameSync(pathBytes(from), pathBytes(to));
  } catch (error) {
    const stats = lstatSync(pathBytes(from));
    if (!isErrno(error, 'EACCES') || !stats.isDirectory()) throw error;
    chmodSync(pathBytes(from), 0o700);
    renameSync(pathBytes(from), pathBytes(to));
    chmodSync(pathBytes(to), stats.mode % 0o10000);
  }
}
