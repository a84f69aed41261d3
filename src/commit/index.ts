/**
 * What a container or a zone has written becomes an image: the layers of the one that it ran, and one more
 * (`src/layer/diff/`), with a config that says what a container of it starts with, in the words of a Dockerfile.
 * An image is made of documents and blobs in the cache, and does not show before all of them are there.
 */
export type { ConfigChanges } from './document.ts';
export { CommitError } from './error.ts';
export { type BaseImage, type CommitOptions, type CommittedImage, commitImage } from './image.ts';
export { applyInstructions } from './instruction.ts';
