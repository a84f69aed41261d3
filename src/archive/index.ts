/**
 * Images in local files: OCI layout directories, the same in a tar file, and what `docker save` writes. All three come
 * out as one `Image`, which has a verified manifest and config and says where each layer lies. A `Medium` finds files
 * by name in a directory or a tar; upon it stand the two ways to describe an image, the OCI layout and Docker's
 * manifest.json. Layer data is never read here: a render streams it, and verifies it while doing so.
 * `openFetcher` gives the same files as a source of copies, and `target/` is where copies go.
 */
export { ArchiveError } from './error.ts';
export { type FetchedSource, openFetcher } from './fetcher.ts';
export type { Image, ImageLayer, OpenOptions } from './image.ts';
export { requireNotLocal } from './mistake.ts';
export { openImage } from './open.ts';
export { requirePlatform, requireSameCount, unknownPlatform } from './requirement.ts';
export { createImageTarget, type ImageTarget } from './target/index.ts';
export { mayBeImage } from './walk.ts';
