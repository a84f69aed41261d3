import type { Content } from '../merge/index.ts';
import {
  type ByteString,
  type DirectoryInode,
  type Inode,
  type Tree,
  validateTree,
  type Xattrs,
} from '../tree/index.ts';
import { compareTrees, type Difference } from './difference.ts';
import { markOpaque, type OverlayXattrs, whiteout } from './marker.ts';
import type { Stacked } from './stack.ts';

/**
 * The tree that makes a stack show `merged`, exactly, once it is stacked on top. It has the root, with its metadata, and
 * else only what the stack has wrong: directories with other metadata, whiteouts for names that must not be there,
 * and inodes that are missing or differ, each with all of its names (their content must come with the head). A directory to
 * which the stack adds nothing but wrong names is opaque. Linear; depends on its arguments' content alone.
 */
export function createHead(
  stacked: Stacked<Content> | undefined,
  merged: Tree<Content>,
  options: { readonly xattrs: OverlayXattrs },
): Tree<Content> {
  const difference = compareTrees(stacked, merged);
  const needs = findNeeds(difference, merged);
  const { below, surplus } = difference;
  const { carried, whole } = needs;
  const made: { children: Map<ByteString, Inode<Content>>; alone: boolean }[] = [];
  const make = (index: number, alone: boolean): DirectoryInode<Content> => {
    const { inode } = merged.nodes[index]!;
    const children = new Map<ByteString, Inode<Content>>();
    // The kernel does not ask whether a root is opaque.
    const opaque = !alone && index > 0 && surplus[index] !== undefined && whole[index] === 1;
    made[index] = { children, alone: alone || opaque };
    const xattrs: Xattrs = opaque ? markOpaque(inode.xattrs, options.xattrs) : inode.xattrs;
    return { ...inode, type: 'directory', xattrs, children };
  };
  const root = make(merged.root.index, stacked === undefined);
  for (const { index, entries } of merged.nodes) {
    const directory = made[index];
    if (directory === undefined) continue;
    const { children, alone } = directory;
    for (const { name, node } of entries) {
      if (carried[node.index] === 0) continue;
      const { inode } = node;
      if (inode.type !== 'directory') children.set(name, inode as Inode<Content>);
      else children.set(name, make(node.index, alone || below[node.index] === undefined));
    }
    if (!alone) for (const name of surplus[index] ?? []) children.set(name, whiteout);
  }
  return validateTree(root);
}

interface Needs {
  /** 1: it is in the head. */
  readonly carried: Uint8Array;
  /** 1: all that the tree has below it is in the head too. */
  readonly whole: Uint8Array;
}

/** From the leaves up: nodes come before what they hold. */
function findNeeds({ wrong, surplus }: Difference, { nodes }: Tree<Content>): Needs {
  const carried = wrong.slice();
  const whole = wrong.slice();
  carried[0] = 1;
  for (let index = nodes.length - 1; index >= 0; index -= 1) {
    const { inode, entries } = nodes[index]!;
    if (inode.type !== 'directory') continue;
    let all = true;
    let some = surplus[index] !== undefined;
    for (const { node } of entries) {
      if (carried[node.index] === 1) some = true;
      if (carried[node.index] === 0 || whole[node.index] === 0) all = false;
    }
    if (some) carried[index] = 1;
    whole[index] = all ? 1 : 0;
  }
  return { carried, whole };
}
