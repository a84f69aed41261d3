import type { Image } from '../../archive/index.ts';
import { type Digest, digestAlgorithm, digestHex, formatPlatform } from '../../oci/index.ts';
import type { StoredArtifact } from '../../store/index.ts';
import { verityBlockSize } from '../../verity/index.ts';
import { canonical } from './canonical.ts';

/** in-toto's way to say which bytes are meant. Values are lowercase hex. */
export interface ResourceDescriptor {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** An artifact as it was asked for. */
export interface ArtifactParameters {
  /** As in `subject`. */
  readonly name: string;
  readonly format: string;
  /** Of the layer that it was made of, if it is not of the whole image. */
  readonly diffId?: Digest;
  /** Absent where they are not known: an earlier version did not keep them. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** An in-toto Statement v1 with the predicate SLSA provenance v1. Fields are in the byte order of their names. */
export interface Provenance {
  readonly _type: typeof statementType;
  readonly predicate: {
    readonly buildDefinition: {
      readonly buildType: typeof buildType;
      readonly externalParameters: {
        readonly artifacts: readonly ArtifactParameters[];
        readonly platform: string;
      };
      /** The manifest, the config, and the layers, oldest first. */
      readonly resolvedDependencies: readonly ResourceDescriptor[];
    };
    readonly runDetails: {
      readonly builder: { readonly id: typeof builderId; readonly version: Readonly<Record<string, string>> };
      /** What vouches for each block of an artifact. */
      readonly byproducts: readonly ResourceDescriptor[];
    };
  };
  readonly predicateType: typeof predicateType;
  readonly subject: readonly ResourceDescriptor[];
}

const statementType = 'https://in-toto.io/Statement/v1';
const predicateType = 'https://slsa.dev/provenance/v1';
const buildType = 'urn:shale:render:v1';
const builderId = 'urn:shale:builder:v1';

/** Of artifacts that are measured: all that can be known of them without reading them again. */
export function describeProvenance(image: Image, artifacts: readonly StoredArtifact[]): Provenance {
  const named = artifacts
    .map(artifact => ({ name: nameOf(artifact), artifact }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return canonical({
    _type: statementType,
    subject: named.map(describeSubject),
    predicateType,
    predicate: {
      buildDefinition: {
        buildType,
        externalParameters: {
          platform: formatPlatform(image.platform),
          artifacts: named.map(describeParameters),
        },
        resolvedDependencies: describeDependencies(image),
      },
      runDetails: {
        builder: { id: builderId, version: versionsOf(artifacts) },
        byproducts: named.map(describeHashes),
      },
    },
  });
}

type Named = { readonly name: string; readonly artifact: StoredArtifact };

/** All that its key says but the image, which is the same for all; where that is not known, the key's own name. */
function nameOf({ format, diffId, made, key }: StoredArtifact): string {
  const subject = diffId === undefined ? format : `${format}@${diffId}`;
  if (made === undefined) return `${subject}?key=${key}`;
  const { options, versions } = made;
  const pairs = [...sortedEntries(options), ...sortedEntries(versions)];
  return `${subject}?${pairs.map(([name, value]) => `${name}=${String(value)}`).join('&')}`;
}

function describeSubject({ name, artifact }: Named): ResourceDescriptor {
  const { digest, fsverity, size, made } = artifact;
  const annotations = { size, ...(made !== undefined && { versions: made.versions }) };
  return { name, digest: { ...digestSet(digest), fsverity_sha256: digestHex(fsverity!) }, annotations };
}

function describeParameters({ name, artifact }: Named): ArtifactParameters {
  const { format, diffId, made } = artifact;
  return {
    ...{ name, format },
    ...(diffId !== undefined && { diffId }),
    ...(made !== undefined && { options: made.options }),
  };
}

function describeHashes({ name, artifact }: Named): ResourceDescriptor {
  const { digest, rootHash, salt, dataBlocks, fsverity } = artifact;
  const tree = {
    ...{ hashType: 1, hashAlgorithm: 'sha256', salt, dataBlocks },
    ...{ dataBlockSize: verityBlockSize, hashBlockSize: verityBlockSize },
  };
  return {
    name,
    digest: {
      fsverity_sha256: digestHex(fsverity!),
      ...(rootHash !== undefined && { dmverity_sha256: rootHash }),
    },
    annotations: { artifact: digest, ...(rootHash !== undefined && { dmverity: tree }) },
  };
}

function describeDependencies(image: Image): ResourceDescriptor[] {
  const { manifestDigest, manifest, configDigest, layers } = image;
  return [
    ...(manifestDigest === undefined
      ? []
      : [
          {
            ...{ name: 'manifest', digest: digestSet(manifestDigest) },
            ...(manifest !== undefined && { mediaType: manifest.mediaType }),
          },
        ]),
    { name: 'config', digest: digestSet(configDigest) },
    // A docker-archive names no blobs: there the layer itself is what is known.
    ...layers.map(({ digest, diffId, mediaType, size }, position) => ({
      ...{ name: `layer ${position}`, mediaType, digest: digestSet(digest ?? diffId) },
      annotations: { diffId, position, ...(digest !== undefined && { size }) },
    })),
  ];
}

/** Of all that took part. Which artifact is of which is in its annotations. */
function versionsOf(artifacts: readonly StoredArtifact[]): Record<string, string> {
  const all = new Map<string, Set<string>>();
  for (const { made } of artifacts) {
    for (const [name, version] of Object.entries(made?.versions ?? {})) {
      all.set(name, (all.get(name) ?? new Set()).add(version));
    }
  }
  return Object.fromEntries([...all].map(([name, versions]) => [name, [...versions].sort().join(', ')]));
}

function digestSet(digest: Digest): Record<string, string> {
  return { [digestAlgorithm(digest)]: digestHex(digest) };
}

function sortedEntries(record: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
