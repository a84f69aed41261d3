/**
 * What a zone has changed becomes an image:
 *
 *     ENTRY, DATA ─► receive ─► check ─► overlay ─► layer-stream ─► layer ───► image
 *     the guest's    entries    order,   whiteouts, the archive     digests,   config, manifest,
 *     upper                     ranges   opaque                     a file     into the cache
 *
 * The guest is not trusted: whatever it sends makes a well-formed layer below the limits that every layer is held to,
 * or a CommitError, and then nothing is left. The layer is a function of the changes alone.
 */
export { type ChangeLimits, defaultChangeLimits } from './check.ts';
export type { ChangeEntry } from './entry.ts';
export { CommitError } from './error.ts';
export { type BaseImage, type CommitOptions, type CommittedImage, commitImage } from './image.ts';
export { applyInstructions } from './instruction.ts';
export { type ChangesLayer, type ChangesLayerOptions, writeChangesLayer } from './layer.ts';
export { readEntry, receiveChanges } from './receive.ts';
