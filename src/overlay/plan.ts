import type { LayerIndex } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Tree } from '../tree/index.ts';
import { createHead } from './head.ts';
import { isOpaque, type OverlayXattrs } from './marker.ts';
import { projectLayer } from './projection.ts';
import { stackTrees } from './stack.ts';

/** As many lower directories as the kernel stacks in one mount (OVL_MAX_STACK). */
export const maximumLowers = 500;

export interface OverlayPlanOptions {
  readonly xattrs: OverlayXattrs;
  /** Lower directories of a mount, the head among them; `maximumLowers` if absent. At least 1. */
  readonly lowers?: number;
  /** One for each layer, such as its diffID: layers of the same name are the same layer, of which the newest is stacked. */
  readonly names?: readonly string[];
}

export interface OverlayPlan {
  /** All layers, oldest first. */
  readonly layers: readonly Tree<Content>[];
  /**
   * Which of them to stack under the head, oldest first. Not there: layers without an entry, those under an opaque root,
   * those that come again, and the smallest of those that are too many. May be empty: then the head is the whole image, to
   * be mounted as it is (OverlayFS wants two lower directories where there is no upper).
   */
  readonly stacked: readonly number[];
  readonly head: Tree<Content>;
  /** The contents that the head must carry, by layer and entry; those without bytes are not among them. */
  readonly headContents: readonly Content[];
}

/** How to stack layers so that OverlayFS shows `merged`, which is what they merge to. Linear in the entries. */
export function overlayPlan(
  layers: readonly LayerIndex[],
  merged: Tree<Content>,
  options: OverlayPlanOptions,
): OverlayPlan {
  const { xattrs } = options;
  const trees = layers.map(({ entries }, layer) => projectLayer(entries, { layer, xattrs }));
  return stackPlan(trees, merged, options);
}

/** The same, where the projections are known. */
export function stackPlan(
  trees: readonly Tree<Content>[],
  merged: Tree<Content>,
  options: OverlayPlanOptions,
): OverlayPlan {
  const { xattrs } = options;
  const stacked = chooseLayers(trees, merged, options);
  const head = createHead(stackTrees(stacked.map(layer => trees[layer]!)), merged, { xattrs });
  const headContents = head.nodes
    .flatMap(({ inode }) => (inode.type === 'file' && inode.size > 0 ? [inode.content] : []))
    .sort((a, b) => a.layer - b.layer || a.entry - b.entry);
  return { layers: trees, stacked, head, headContents };
}

/** Bytes of metadata for a name: what makes one small layer smaller than another. */
const bytesPerEntry = 64;

function chooseLayers(
  trees: readonly Tree<Content>[],
  merged: Tree<Content>,
  { lowers = maximumLowers, names }: OverlayPlanOptions,
): number[] {
  // What an opaque root hides can only be left out, for the kernel does not look at a lower root's xattrs.
  const lowest = trees.findLastIndex(({ root }) => isOpaque(root.inode));
  const layers = [...trees.keys()].filter(
    layer =>
      layer >= lowest &&
      trees[layer]!.nodes.length > 1 &&
      // A layer that comes again hides all that it brought before; the kernel refuses a directory that is there twice.
      (names === undefined || names.lastIndexOf(names[layer]!) === layer),
  );
  const most = lowers - 1;
  if (layers.length <= most) return layers;
  const cost = trees.map(({ nodes }) => nodes.length * bytesPerEntry);
  for (const { inode } of merged.nodes) if (inode.type === 'file') cost[inode.content.layer]! += inode.size;
  const dear = layers.toSorted((a, b) => cost[b]! - cost[a]! || a - b).slice(0, most);
  return dear.sort((a, b) => a - b);
}
