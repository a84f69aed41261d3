/**
 * Content that names itself by its digest. Sources and targets of blobs are interfaces of one method each, so that
 * a cache, a registry and an archive compose; whatever they deliver is proven here, in the stream: size and digest
 * are known to be right before the end becomes visible. `BlobLocation` is the shortcut for blobs that lie in local
 * files: readers open the range themselves, in whichever thread they like.
 */
export { Arrival } from './arrival.ts';
export type { Bytes, ContentOptions, Fetcher, Pusher, Resolver } from './contract.ts';
export { ContentError } from './error.ts';
export { type BlobLocation, readLocation, readSmall, readVerified } from './location.ts';
export { DigestVerifier, type Expected, verified } from './verifier.ts';
