/**
 * One layer, as the merge contract sees it (ARCHITECTURE, "Merge semantics"). A layer's tar records become entries:
 *
 *     tar entry ──createNormaliser──► LayerEntry ──encodeEntries──► bytes between threads, and in the cache
 *
 * The normaliser judges what one record alone can tell: its path, its markers, its xattrs, its limits. What takes the
 * layers below (symlinked parents, hardlink targets, what a whiteout hits) is the merge engine's. `Shadow` is the one
 * exception: it guesses, newest layer first, whose data will not be needed.
 */
export {
  type AppliedLayer,
  type ApplyOptions,
  type ApplyTarget,
  adoptParents,
  applyLayer,
  type Below,
} from './apply/index.ts';
export { decodeEntries, decodeIndex, encodeEntries, encodeIndex, indexVersion } from './codec.ts';
export {
  type ChangeEntry,
  type ChangeLimits,
  type ChangeStatus,
  type ChangesLayer,
  type ChangesLayerOptions,
  type ComparedDirectories,
  type CompareOptions,
  type Compression,
  compareDirectories,
  DiffError,
  defaultChangeLimits,
  type ListedChange,
  listChanges,
  type ReadOptions,
  readUpper,
  type UpperDirectory,
  writeChangesLayer,
} from './diff/index.ts';
export type {
  LayerDevice,
  LayerDirectory,
  LayerEntry,
  LayerFile,
  LayerHardlink,
  LayerIndex,
  LayerOpaque,
  LayerPipe,
  LayerSymlink,
  LayerWhiteout,
} from './entry.ts';
export { createRejection, formatPlace, LayerError } from './error.ts';
export type { WhiteoutForm } from './form.ts';
export {
  createExhausted,
  createLimits,
  defaultLimits,
  explicitRatioFloor,
  type LayerLimits,
  type LimitRow,
  limitTable,
  xattrsPerValue,
} from './limits.ts';
export { createNormaliser, type Normaliser } from './normalise.ts';
export { storedBytes } from './record.ts';
export { Shadow } from './shadow.ts';
