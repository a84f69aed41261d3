/** Random stacks of tar records as layers, merged; and trees as listings. */
import { ShaleError, Warnings } from '../../src/error/index.ts';
import { createNormaliser, defaultLimits, type LayerEntry, type LayerIndex } from '../../src/layer/index.ts';
import { type Content, merge } from '../../src/merge/index.ts';
import type { DirectoryInode, Tree } from '../../src/tree/index.ts';
import { formatListing, type Listing, walkTree } from '../model/listing.ts';
import type { Stack } from '../model/record.ts';

export const created = { seconds: 1_234_567, nanoseconds: 89 };

export interface MergedStack {
  readonly layers: readonly LayerIndex[];
  readonly merged: Tree<Content>;
  readonly contentOf: (content: Content) => string;
}

/** `undefined` where the contract rejects the stack. */
export function mergeStack(stack: Stack): MergedStack | undefined {
  const warnings = new Warnings();
  const names: string[][] = [];
  try {
    const layers = stack.map((records, layer) => {
      const normalise = createNormaliser({ layer, warnings, limits: defaultLimits });
      const entries: LayerEntry[] = [];
      names.push([]);
      for (const record of records) {
        const entry = normalise(record);
        if (entry === undefined) continue;
        entries.push(entry);
        names[layer]!.push(record.content);
      }
      return { entries };
    });
    const merged = merge(layers, { created, warnings });
    return { layers, merged, contentOf: ({ layer, entry }) => names[layer]![entry]! };
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'invalid') return undefined;
    throw error;
  }
}

export function rootOf(tree: Tree<Content>): DirectoryInode<Content> {
  return tree.root.inode as DirectoryInode<Content>;
}

export function listTree(tree: Tree<Content>, contentOf: (content: Content) => string): Listing {
  return formatListing(walkTree(rootOf(tree), contentOf));
}
