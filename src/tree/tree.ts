import { ShaleError } from '../error/index.ts';
import type { ByteString, DirectoryInode, FileInode, Inode } from './inode.ts';
import { printable } from './printable.ts';

export class TreeError extends ShaleError {}

/** What a node tells of its inode: all but a directory's children, which are the node's entries. */
export type NodeInode<C> = Exclude<Inode<C>, DirectoryInode<C>> | Omit<DirectoryInode<C>, 'children'>;

/** One inode of a validated tree, with what a writer must know about it. */
export interface Node<C> {
  readonly inode: NodeInode<C>;
  /** Its first path in tree order, without a leading slash; '' is the root. Put together at each use. */
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

/** A million paths would take more memory than all else: a node knows its name and its parent. */
class TreeNode<C> implements Node<C> {
  readonly inode: NodeInode<C>;
  readonly parent: TreeNode<C>;
  readonly name: ByteString;
  readonly index: number;
  links: number;
  entries: Entry<C>[] = none;

  constructor(
    inode: NodeInode<C>,
    name: ByteString,
    parent: TreeNode<C> | undefined,
    index: number,
    links: number,
  ) {
    this.inode = inode;
    this.parent = parent ?? this;
    this.name = name;
    this.index = index;
    this.links = links;
  }

  get path(): ByteString {
    if (this.parent === this) return '';
    const names: ByteString[] = [];
    for (let node: TreeNode<C> = this; node.parent !== node; node = node.parent) names.push(node.name);
    return names.reverse().join('/');
  }
}

const none: never[] = [];

/** Validates and numbers a tree. Time and memory are linear in its entries; the depth is not limited by the stack. */
export function validateTree<C>(root: Inode<C>): Tree<C> {
  if (root.type !== 'directory')
    throw new TreeError('invalid', `the root is a ${root.type}, not a directory`);
  const nodes: TreeNode<C>[] = [];
  const known = new Map<Inode<C>, TreeNode<C>>();
  const stack: {
    readonly node: TreeNode<C>;
    readonly children: readonly (readonly [ByteString, Inode<C>])[];
  }[] = [];
  const add = (inode: Inode<C>, name: ByteString, parent: TreeNode<C> | undefined): TreeNode<C> => {
    const directory = inode.type === 'directory';
    const node = new TreeNode(inode, name, parent, nodes.length, directory ? 2 : 0);
    checkInode(inode, node);
    nodes.push(node);
    known.set(inode, node);
    if (directory) {
      node.entries = [];
      stack.push({ node, children: [...inode.children].sort(byName) });
    }
    return node;
  };
  const rootNode = add(root, '', undefined);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { node: directory, children } = top;
    const child = children[directory.entries.length];
    if (child === undefined) {
      stack.pop();
      continue;
    }
    const [name, inode] = child;
    checkName(name, directory);
    let node = known.get(inode);
    if (node !== undefined && inode.type === 'directory') {
      const path = pathIn(directory, name);
      throw new TreeError('invalid', `directory ${printable(path)} has two parents`, { detail: { path } });
    }
    node ??= add(inode, name, directory);
    directory.entries.push({ name, node });
    if (inode.type === 'directory') directory.links += 1;
    else node.links += 1;
  }
  return { root: rootNode, nodes };
}

/** The same tree with its contents called otherwise; hardlinks stay hardlinks. `rename` is called once a file. */
export function mapContent<A, B>(tree: Tree<A>, rename: (file: FileInode<A>) => B): Tree<B> {
  const nodes: TreeNode<B>[] = [];
  for (const { inode, index, links, parent, ...node } of tree.nodes as readonly TreeNode<A>[]) {
    const renamed = inode.type === 'file' ? { ...inode, content: rename(inode) } : inode;
    const above = parent.index === index ? undefined : nodes[parent.index];
    nodes.push(new TreeNode<B>(renamed, node.name, above, index, links));
  }
  for (const { index, entries } of tree.nodes) {
    if (entries.length > 0)
      nodes[index]!.entries = entries.map(({ name, node }) => ({ name, node: nodes[node.index]! }));
  }
  return { root: nodes[0]!, nodes };
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function pathIn(directory: TreeNode<unknown>, name: ByteString): ByteString {
  return directory.path === '' ? name : `${directory.path}/${name}`;
}

function checkName(name: ByteString, directory: TreeNode<unknown>): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    const path = pathIn(directory, name);
    throw new TreeError('invalid', `${JSON.stringify(path)} is not a file's name`, { detail: { path } });
  }
  if (name.length > 255) {
    const path = pathIn(directory, name);
    throw new TreeError('unsupported', `a name of ${name.length} bytes, 255 at most: ${printable(path)}`, {
      detail: { path },
    });
  }
}

function checkInode(inode: Inode<unknown>, node: TreeNode<unknown>): void {
  const { mode, uid, gid, mtime } = inode;
  const ok =
    within(mode, 0o7777) &&
    within(uid, 0xffffffff) &&
    within(gid, 0xffffffff) &&
    Number.isSafeInteger(mtime.seconds) &&
    within(mtime.nanoseconds, 999_999_999) &&
    (inode.type !== 'file' || within(inode.size, Number.MAX_SAFE_INTEGER)) &&
    (inode.type !== 'symlink' || (inode.target !== '' && !inode.target.includes('\0')));
  if (ok) return;
  const { path } = node;
  throw new TreeError('invalid', `${path === '' ? '/' : printable(path)} has a field out of range`, {
    detail: { path },
  });
}

function within(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= most;
}
