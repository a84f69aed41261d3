/**
 * The vocabulary of OCI images as pure values: digests, descriptors, media types, manifests, indexes, configs,
 * platforms, references. Everything here is a function of its arguments. Parsers take bytes from outside and give
 * either a value whose every field has been checked or an OciError that names the field; unknown fields are kept.
 * A `Digest` can only come out of `parseDigest`, so whoever holds one may build a path from it.
 */
export { chainIds } from './chain-id.ts';
export { choosePlatform, isNoPlatform, platformDistance } from './choice.ts';
export { type HistoryEntry, type ImageConfig, parseConfig } from './config.ts';
export { type Descriptor, readDescriptor } from './descriptor.ts';
export { type Digest, type DigestAlgorithm, digestAlgorithm, digestHex, parseDigest } from './digest.ts';
export { OciError } from './error.ts';
export { documentLimit, type JsonObject, JsonView, parseJson } from './json.ts';
export { type Index, type Manifest, parseManifest, requireImage } from './manifest.ts';
export { findMediaType, type MediaType, mediaTypes, parseLayerType } from './media-type.ts';
export {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
} from './platform.ts';
export { formatReference, parseReference, type Reference } from './reference.ts';
export {
  type LocalKind,
  type LocalSource,
  localKinds,
  type NamedSource,
  parseSource,
  type Source,
  type SourceKind,
  type SourceReading,
  sourceKinds,
} from './source.ts';
export {
  type LocalTarget,
  parseTarget,
  type Target,
  type TargetReading,
} from './target.ts';
export { parseTime } from './time.ts';
export { formatTwin } from './twin.ts';
