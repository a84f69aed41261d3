/**
 * What has changed becomes a layer:
 *
 *     readUpper, compareDirectories, a zone's guest ─► check ─► overlay ─► layer-stream ─► layer
 *     entries, in the order of a tree                  order,   whiteouts, the archive     digests,
 *                                                      ranges   opaque                     a file
 *
 * Who tells the changes is not trusted: whatever he says makes a well-formed layer below the limits that every layer is
 * held to, or a DiffError, and then nothing is left. The layer is a function of the changes alone.
 */
export { type ChangeLimits, defaultChangeLimits } from './check.ts';
export type { ChangeEntry, ChangeStatus } from './entry.ts';
export { DiffError } from './error.ts';
export { type ChangesLayer, type ChangesLayerOptions, type Compression, writeChangesLayer } from './layer.ts';
export { type ListedChange, listChanges } from './list.ts';
export {
  type ComparedDirectories,
  type CompareOptions,
  compareDirectories,
  type ReadOptions,
  readUpper,
  type UpperDirectory,
} from './upper.ts';
