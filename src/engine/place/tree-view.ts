import type { ByteString, FileInode, Node, Tree } from '../../tree/index.ts';
import type { Description, View } from './view.ts';

/** A tree that is in memory, whose contents lie elsewhere. */
export class TreeView<C> implements View<Node<C>> {
  readonly root: Node<C>;
  readonly #read: (file: FileInode<C>) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  readonly #source: AsyncDisposable | undefined;

  /** `source`: what `read` reads from, if that is to be closed together with the view. */
  constructor(
    tree: Tree<C>,
    read: (file: FileInode<C>) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    source?: AsyncDisposable,
  ) {
    this.root = tree.root;
    this.#read = read;
    this.#source = source;
  }

  describe({ inode, links }: Node<C>): Description {
    const { type, mode, uid, gid, mtime, xattrs } = inode;
    const common = { type, mode, uid, gid, mtime, links, xattrs };
    if (inode.type === 'file') return { ...common, size: inode.size };
    if (inode.type === 'symlink') return { ...common, target: inode.target };
    if (inode.type === 'block' || inode.type === 'character') {
      return { ...common, major: inode.major, minor: inode.minor };
    }
    return common;
  }

  *children({ entries }: Node<C>): Iterable<readonly [ByteString, Node<C>]> {
    for (const { name, node } of entries) yield [name, node];
  }

  child({ entries }: Node<C>, name: ByteString): Node<C> | undefined {
    let from = 0;
    for (let to = entries.length; from < to; ) {
      const middle = Math.floor((from + to) / 2);
      if (entries[middle]!.name < name) from = middle + 1;
      else to = middle;
    }
    return entries[from]?.name === name ? entries[from]!.node : undefined;
  }

  read({ inode }: Node<C>): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    return inode.type === 'file' && inode.size > 0 ? this.#read(inode) : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source?.[Symbol.asyncDispose]();
  }
}
