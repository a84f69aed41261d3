/**
 * The verbs of the distribution specification, one file each. `Session` is what a client's requests share; `Remote` is
 * one endpoint of it; `failover` goes through the endpoints of a name.
 */
export type { BlobRange } from './blob.ts';
export { createRegistryClient, RegistryClient } from './client.ts';
export type { FetchedManifest } from './manifest.ts';
export type { BlobResponse, CallOptions, RegistryOptions, RepositoryName } from './options.ts';
export type { PushManifestOptions } from './push-manifest.ts';
export type { ReferrersOptions } from './referrers.ts';
export { referrersTag } from './referrers-tag.ts';
export type { PushBlobOptions } from './upload.ts';
