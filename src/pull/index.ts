/**
 * A reference becomes an image: its manifest is found, in the cache or in a registry as the policy says, its layers are
 * fetched when they are read, newest first, and what was verified stays in the cache. The result is an `Image` like one
 * of an archive, so whoever reads layers does not know whether they lie there or are arriving:
 *
 *     reference ─► Resolution ─► PulledImage ── locate() ──► Downloads ─► IncomingBlob ─► file, growing ─► reader
 *                  (documents)        ▲                                                                     │
 *                                     └──────────────── verified(): the blob moves to its place ◄───────────┘
 */
export { type BrokenOff, Downloads, type DownloadsOptions } from './downloads.ts';
export { PullError } from './error.ts';
export {
  type PulledImage,
  type PulledLayer,
  type PullOptions,
  type PullPolicy,
  pullPolicies,
} from './image.ts';
export { openPulled } from './open.ts';
