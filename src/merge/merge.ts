import type { LayerIndex } from '../layer/index.ts';
import { type Tree, validateTree } from '../tree/index.ts';
import type { Content } from './content.ts';
import { type MergeOptions, Merger } from './merger.ts';

/** Applies all layers, oldest first, and validates the result. Fails as `Merger.apply` and `validateTree` do. */
export function merge(layers: readonly LayerIndex[], options: MergeOptions): Tree<Content> {
  const merger = new Merger(options);
  for (const layer of layers) merger.apply(layer);
  return validateTree(merger.root());
}
