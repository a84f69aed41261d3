import { ShaleError } from '../error/index.ts';
import type { ByteString, DirectoryInode, Inode } from './inode.ts';

export class TreeError extends ShaleError {}

/** One inode of a validated tree, with what a writer must know about it. */
export interface Node<C> {
  readonly inode: Inode<C>;
  /** Its first path in tree order, without a leading slash; '' is the root. */
  readonly path: ByteString;
  /** st_nlink: names of a non-directory; 2 + subdirectories of a directory. */
  readonly links: number;
  /** The parent directory of its first path; the root's parent is itself. */
  readonly parent: Node<C>;
  /** Position in `Tree.nodes`. */
  readonly index: number;
  /** Of a directory: its entries in byte order of their names; empty otherwise. */
  readonly entries: readonly Entry<C>[];
}

export interface Entry<C> {
  readonly name: ByteString;
  readonly node: Node<C>;
}

/**
 * A filesystem tree that was checked once, so that a writer can fail on I/O only: the root is a directory; every
 * name is 1 to 255 bytes without `/` and NUL and is not `.` or `..`; every directory has exactly one parent; numbers
 * are within the range that POSIX gives them.
 */
export interface Tree<C> {
  readonly root: Node<C>;
  /**
   * Every inode once: depth first, a directory before what it holds, siblings in byte order. Deterministic: it depends
   * on nothing but the tree's content.
   */
  readonly nodes: readonly Node<C>[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Validates and numbers a tree. Time and memory are linear in its entries; the depth is not limited by the stack. */
export function validateTree<C>(root: Inode<C>): Tree<C> {
  if (root.type !== 'directory')
    throw new TreeError('invalid', `the root is a ${root.type}, not a directory`);
  const nodes: Node<C>[] = [];
  const known = new Map<Inode<C>, Mutable<Node<C>>>();
  const add = (inode: Inode<C>, path: ByteString, parent: Node<C> | undefined): Mutable<Node<C>> => {
    checkInode(inode, path);
    const links = inode.type === 'directory' ? 2 : 0;
    const node = { inode, path, links, index: nodes.length, entries: [], parent } as unknown as Mutable<
      Node<C>
    >;
    if (parent === undefined) node.parent = node;
    nodes.push(node);
    known.set(inode, node);
    return node;
  };
  interface Frame {
    readonly node: Mutable<Node<C>>;
    readonly names: readonly ByteString[];
    readonly entries: Entry<C>[];
  }
  const frame = (node: Mutable<Node<C>>): Frame => {
    const entries: Entry<C>[] = [];
    node.entries = entries;
    return { node, names: [...(node.inode as DirectoryInode<C>).children.keys()].sort(byteOrder), entries };
  };
  const rootNode = add(root, '', undefined);
  const stack: Frame[] = [frame(rootNode)];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.entries.length];
    if (name === undefined) {
      stack.pop();
      continue;
    }
    const path = top.node.path === '' ? name : `${top.node.path}/${name}`;
    checkName(name, path);
    const inode = (top.node.inode as DirectoryInode<C>).children.get(name)!;
    let node = known.get(inode);
    if (node !== undefined && inode.type === 'directory') {
      throw new TreeError('invalid', `directory ${path} has two parents`, { detail: { path } });
    }
    node ??= add(inode, path, top.node);
    top.entries.push({ name, node });
    if (inode.type === 'directory') {
      top.node.links += 1;
      stack.push(frame(node));
    } else {
      node.links += 1;
    }
  }
  return { root: rootNode, nodes };
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkName(name: ByteString, path: ByteString): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new TreeError('invalid', `${JSON.stringify(path)} is not a file's name`, { detail: { path } });
  }
  if (name.length > 255) {
    throw new TreeError('unsupported', `a name of ${name.length} bytes, 255 at most: ${path}`, {
      detail: { path },
    });
  }
}

function checkInode(inode: Inode<unknown>, path: ByteString): void {
  const { mode, uid, gid, mtime } = inode;
  const ok =
    within(mode, 0o7777) &&
    within(uid, 0xffffffff) &&
    within(gid, 0xffffffff) &&
    Number.isSafeInteger(mtime.seconds) &&
    within(mtime.nanoseconds, 999_999_999) &&
    (inode.type !== 'file' || within(inode.size, Number.MAX_SAFE_INTEGER)) &&
    (inode.type !== 'symlink' || (inode.target !== '' && !inode.target.includes('\0')));
  if (!ok)
    throw new TreeError('invalid', `${path === '' ? '/' : path} has a field out of range`, {
      detail: { path },
    });
}

function within(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= most;
}
