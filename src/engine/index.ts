/**
 * Shale as a library: what its commands do, one function each.
 *
 *     import { pull, render, verify } from 'shale';
 *     const { artifact } = await pull('nginx:1.27', { root: 'cache' });
 *     await render('oci:layout:latest', [{ path: 'root.sqfs' }], { onProgress: event => … , signal });
 *     const { differences } = await verify('oci:layout:latest', 'root.sqfs');
 *     const { status } = await runZone('alpine', { command: ['id'], streams: { stdout, stderr } });
 *
 * A source is a reference or `docker://REF` (a registry, by way of the cache), `cache:REF`, `oci:DIR[:TAG|@DIGEST]`,
 * `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:REF]`. Failures are ShaleErrors: branch on
 * `code`, show `message` and `hint`. Every function takes an AbortSignal and rejects with `cancelled` when it is aborted.
 */
export { type ErrorCode, ShaleError, type Warning, type WarningCode } from '../error/index.ts';
export {
  type CachedImage,
  checkCache,
  collectGarbage,
  type DiskUsageReport,
  diskUsage,
  type FsckReport,
  type GarbageReport,
  listImages,
  type RemoveResult,
  removeImages,
  tagImage,
} from './cache/index.ts';
export { cat } from './cat.ts';
export { type BlobOutcome, type CopiedBlob, type CopyOptions, type CopyResult, copy } from './copy.ts';
export { type ImageReport, inspect, type LayerContent, type LayerReport } from './inspect.ts';
export {
  type HashTreePlace,
  hashTreePlaces,
  type IntegrityRequest,
  type OutputHashes,
} from './integrity/index.ts';
export { type ListEntry, list } from './list.ts';
export { type LoginOptions, login, logout } from './login.ts';
export type {
  CacheOptions,
  ImageOptions,
  ProgressEvent,
  RegistryOptions,
  WarningSummary,
} from './options.ts';
export {
  compressions,
  formatOf,
  type OutputCompression,
  type OutputFormat,
  type OutputRequest,
  outputFormats,
} from './output.ts';
export { type Provenance, provenance, type ResourceDescriptor } from './provenance/index.ts';
export { type PullFormat, type PullRequest, type PullResult, pull, pullFormats } from './pull.ts';
export { type PushResult, push } from './push.ts';
export { type RenderResult, render } from './render.ts';
export * from './snapshot/index.ts';
export { type Difference, type DifferenceKind, type VerifyReport, verify } from './verify/index.ts';
export { type RootHashReport, type RootHashRequest, verifyRootHash } from './verify/root-hash.ts';
export { type StackReport, verifyStack } from './verify/stack.ts';
export { type WhyReport, why } from './why.ts';
export * from './zone/index.ts';
