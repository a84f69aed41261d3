/**
 * The overlay merge: the indexes of an image's layers become one validated tree. It does no I/O and sees no data;
 * a file in the result says which record of which layer holds its bytes (`Content`).
 *
 * Each layer is applied in three steps, in an order that makes "as the layer found it" exact without a copy of the tree:
 *
 * 1. Look up below, changing nothing: the targets of the layer's hardlinks, and what its whiteouts hit.
 * 2. Delete what the whiteouts hit.
 * 3. Apply the entries in stream order. Inodes that are not directories never change, so a hardlink may keep one that
 *    step 2 or 3 has taken the name from.
 *
 * A directory is one object from its first layer to its last, so hiding a subtree is one deletion from a Map.
 */
export type { Content } from './content.ts';
export { MergeError } from './error.ts';
export type { MergeEvent } from './event.ts';
export { merge } from './merge.ts';
export { type MergeOptions, Merger } from './merger.ts';
export { countHiddenBytes, type LayerStatistics } from './statistics.ts';
export { type Why, type WhyRecord, type WhyStep, why } from './why.ts';
