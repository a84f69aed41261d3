/** Merges small layers and shows the result as text, one line an inode's name. */
import { Warnings } from '../../src/error/index.ts';
import type { LayerIndex } from '../../src/layer/index.ts';
import { type Content, type MergeOptions, merge } from '../../src/merge/index.ts';
import type { NodeInode, Tree } from '../../src/tree/index.ts';

export const created = { seconds: 1000, nanoseconds: 7 };

export function mergeOptions(given: Partial<MergeOptions> = {}): MergeOptions {
  return { created, warnings: new Warnings(), ...given };
}

export function mergeAll(...layers: LayerIndex[]): Tree<Content> {
  return merge(layers, mergeOptions());
}

export function inodeAt(tree: Tree<Content>, path: string): NodeInode<Content> {
  let node = tree.root;
  for (const name of path === '' ? [] : path.split('/')) {
    const entry = node.entries.find(candidate => candidate.name === name);
    if (entry === undefined) throw new Error(`${path} is not in the tree`);
    node = entry.node;
  }
  return node.inode;
}

/**
 * All names but the root, sorted: `a/`, `b@0.2` (layer and entry of a file), `c->target`, `d=b` (an inode that stood under
 * `b` already), `e:fifo`.
 */
export function show(tree: Tree<Content>): string {
  const lines: string[] = [];
  const first = new Map<NodeInode<Content>, string>();
  const visit = (node: Tree<Content>['root'], prefix: string) => {
    for (const { name, node: child } of node.entries) {
      const path = prefix + name;
      const { inode } = child;
      const known = first.get(inode);
      first.set(inode, known ?? path);
      if (inode.type === 'directory') {
        lines.push(`${path}/`);
        visit(child, `${path}/`);
      } else if (known !== undefined) lines.push(`${path}=${known}`);
      else if (inode.type === 'file') lines.push(`${path}@${inode.content.layer}.${inode.content.entry}`);
      else if (inode.type === 'symlink') lines.push(`${path}->${inode.target}`);
      else lines.push(`${path}:${inode.type}`);
    }
  };
  visit(tree.root, '');
  return lines.join(' ');
}
