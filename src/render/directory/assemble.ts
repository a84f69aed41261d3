import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  symlinkSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../../error/index.ts';
import {
  canSyncFilesystem,
  createSpecialFile,
  Descent,
  HostError,
  type Losses,
  type Metadata,
  pathBytes,
  type Staging,
  shown,
  syncDirectory,
  throwIfAborted,
} from '../../host/index.ts';
import type { ByteString, Entry, FileInode, Node, Tree } from '../../tree/index.ts';

export interface Content {
  readonly id: number;
}

export interface Assembly {
  /** The empty directory that becomes the root; its own metadata is not set here. */
  readonly root: string;
  readonly staging: Staging;
  readonly metadata: Metadata;
  readonly losses: Losses;
  readonly umask: number;
  readonly signal?: AbortSignal | undefined;
}

/** Entries between two looks at the event loop, so that signals come through. */
const slice = 2048;

/**
 * Builds the tree below `root`. Each directory is entered by descriptor right after it was made, and every other
 * operation names one component in it, so no symlink of the image is ever on a path. Directories are 0700 while
 * they fill and get their metadata when they are left.
 */
export async function assemble(tree: Tree<Content>, assembly: Assembly): Promise<void> {
  const builder = new Builder(tree, assembly);
  using descent = Descent.open(assembly.root);
  const frames = [{ node: tree.root, name: '', next: 0 }];
  let count = 0;
  for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
    if (count % slice === 0) {
      await setImmediate();
      throwIfAborted(assembly.signal);
    }
    count += 1;
    const entry = top.node.entries[top.next];
    top.next += 1;
    if (entry === undefined) {
      frames.pop();
      if (frames.length === 0) break;
      if (!canSyncFilesystem()) await syncDirectory(pathBytes(descent.at('.')));
      descent.leave();
      assembly.metadata.apply(descent.at(top.name), top.node.path, top.node.inode);
    } else if (entry.node.inode.type === 'directory') {
      builder.enter(descent, entry);
      frames.push({ node: entry.node, name: entry.name, next: 0 });
    } else {
      builder.place(descent.at(entry.name), entry);
    }
  }
}

class Builder {
  readonly #assembly: Assembly;
  /** Names still to be given to an inode of several, by its index; -1 when it could not be made at all. */
  readonly #left = new Map<number, number>();
  /** Uses still to come of a content that stands for several inodes. */
  readonly #uses = new Map<number, number>();

  constructor(tree: Tree<Content>, assembly: Assembly) {
    this.#assembly = assembly;
    for (const { inode } of tree.nodes) {
      if (inode.type !== 'file' || inode.size === 0) continue;
      const { id } = inode.content;
      this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
    }
  }

  enter(descent: Descent, { name, node }: Entry<Content>): void {
    try {
      const at = pathBytes(descent.at(name));
      mkdirSync(at, 0o700);
      if ((this.#assembly.umask & 0o700) !== 0) chmodSync(at, 0o700);
      descent.enter(name);
    } catch (error) {
      throw wrapErrno(error, `cannot create directory ${shown(node.path)}`);
    }
  }

  place(at: ByteString, { node }: Entry<Content>): void {
    try {
      if (node.links === 1) this.#create(at, node);
      else this.#createLinked(at, node);
    } catch (error) {
      if (isErrno(error, 'EMLINK')) {
        throw new HostError(
          'unsupported',
          `${shown(node.path)}: the filesystem cannot hold ${node.links} hardlinks of a file`,
          {
            cause: error,
          },
        );
      }
      throw wrapErrno(error, `cannot create ${shown(node.path)}`);
    }
  }

  /** A file of several names is made in the staging directory, linked to each name and moved to the last. */
  #createLinked(at: ByteString, node: Node<Content>): void {
    const staged = this.#assembly.staging.at(`link-${node.index}`);
    const left = this.#left.get(node.index) ?? (this.#create(staged, node) ? node.links : -1);
    this.#left.set(node.index, left - 1);
    if (left > 1) linkSync(pathBytes(staged), pathBytes(at));
    else if (left === 1) renameSync(pathBytes(staged), pathBytes(at));
  }

  /** False if the system does not permit such a file; that is counted. */
  #create(at: ByteString, node: Node<Content>): boolean {
    const { inode } = node;
    switch (inode.type) {
      case 'file':
        this.#createFile(at, inode);
        break;
      case 'symlink':
        symlinkSync(pathBytes(inode.target), pathBytes(at));
        break;
      case 'directory':
        throw new HostError('internal', 'a directory is entered');
      default:
        if (!createSpecialFile(at, node.path, inode, this.#assembly.losses)) return false;
    }
    this.#assembly.metadata.apply(at, node.path, inode);
    return true;
  }

  #createFile(at: ByteString, { size, content }: FileInode<Content>): void {
    if (size === 0) {
      closeSync(this.#assembly.staging.create(at));
      return;
    }
    const { id } = content;
    const staged = pathBytes(this.#assembly.staging.find(id, size));
    const uses = this.#uses.get(id) ?? 1;
    this.#uses.set(id, uses - 1);
    if (uses === 1) renameSync(staged, pathBytes(at));
    else copyFileSync(staged, pathBytes(at), constants.COPYFILE_EXCL + constants.COPYFILE_FICLONE);
  }
}
