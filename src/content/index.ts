/**
 * Content that names itself by its digest. A `Fetcher` and a `Pusher` are the ends of a copy, a few methods each, so
 * that a cache, a registry and an archive compose; `copy` brings a graph of manifests and blobs from one to the other.
 * Whatever they deliver is proven here, in the stream: size and digest are known to be right before the end becomes
 * visible. `BlobLocation` is the shortcut for blobs that lie in local files: readers open the range themselves, in
 * whichever thread they like.
 */
export { Arrival } from './arrival.ts';
export type {
  Bytes,
  ContentOptions,
  Fetcher,
  Graph,
  GraphManifest,
  Pusher,
  PushOptions,
  Transferred,
} from './contract.ts';
export { type CopiedContent, type CopyEvent, copy, type GraphCopyOptions } from './copy.ts';
export { decompressed } from './decompressed.ts';
export type { DecompressOptions } from './decompression.ts';
export { ContentError } from './error.ts';
export { type Extent, Extents } from './extents.ts';
export { type GraphOptions, readGraph, readGraphManifest } from './graph.ts';
export { type BlobLocation, readLocation, readSmall, readVerified } from './location.ts';
export { inParallel } from './parallel.ts';
export { blaming, type Side } from './side.ts';
export { DigestVerifier, type Expected, verified } from './verifier.ts';
