/**
 * The ends of a copy by their prefix: what a registry, the cache and local files give as a `Fetcher`, and what they take
 * as an `ImageTarget`. A `Connections` opens the client and the cache when an end needs them, once for both.
 */
export { chooseRoot } from './choice.ts';
export { type ConnectionOptions, Connections } from './connections.ts';
export { type CopySource, openCopySource } from './source.ts';
export { createCopyTarget } from './target.ts';
