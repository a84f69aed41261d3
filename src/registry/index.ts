/**
 * Registries: a client for the OCI distribution specification. `configuration/` says which servers a name stands for,
 * `credential/` who we are to them, `token/` how that is proven, `transport/` is HTTP with redirects, time-outs and
 * retries, and `client/` is what one can ask. Contents of manifests are verified here; blobs are not, for whoever reads
 * them hashes them anyway.
 *
 * Secrets are `Secret`s, and live in headers only on their way out: never in an error, a detail, an event or a URL that
 * is shown, never at another origin than the one they are for.
 */
export {
  type BlobRange,
  type BlobResponse,
  type CallOptions,
  createRegistryClient,
  type FetchedManifest,
  type PushBlobOptions,
  type PushManifestOptions,
  type ReferrersOptions,
  RegistryClient,
  type RegistryOptions,
  type RepositoryName,
  referrersTag,
} from './client/index.ts';
export { type Endpoint, type EndpointOptions, findEndpoints } from './configuration/index.ts';
export {
  type Credential,
  type CredentialStore,
  openCredentials,
  removeCredential,
  Secret,
  storeCredential,
} from './credential/index.ts';
export { RegistryError } from './error.ts';
export type { RetryEvent, Timeouts } from './transport/index.ts';
