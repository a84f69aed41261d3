import { ShaleError, Warnings } from '../../src/error/index.ts';
import type { LayerEntry } from '../../src/layer/entry.ts';
import { defaultLimits } from '../../src/layer/limits.ts';
import { createNormaliser } from '../../src/layer/normalise.ts';
import { merge } from '../../src/merge/index.ts';
import type { DirectoryInode, Timestamp } from '../../src/tree/index.ts';
import { formatListing, type Outcome, walkTree } from './listing.ts';
import type { Stack } from './record.ts';

/** What the engine under test makes of a stack. Anything but a result or a typed rejection is thrown on. */
export function applyEngine(stack: Stack, created: Timestamp): Outcome {
  const warnings = new Warnings();
  const contents: string[][] = [];
  try {
    const layers = stack.map((records, layer) => {
      const normalise = createNormaliser({ layer, warnings, limits: defaultLimits });
      const entries: LayerEntry[] = [];
      const names: string[] = [];
      contents.push(names);
      for (const record of records) {
        const entry = normalise(record);
        if (entry === undefined) continue;
        entries.push(entry);
        names.push(record.content);
      }
      return { entries };
    });
    const tree = merge(layers, { created, warnings });
    const root = tree.root.inode as DirectoryInode<{ layer: number; entry: number }>;
    const listing = formatListing(walkTree(root, ({ layer, entry }) => contents[layer]![entry]!));
    return { listing, warnings: Object.fromEntries([...warnings.counts].sort()) };
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'invalid') return 'rejected';
    throw error;
  }
}
