import { DigestVerifier, readVerified } from '../content/index.ts';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  findMediaType,
  type Index,
  isNoPlatform,
  type Manifest,
  type Platform,
  parseManifest,
} from '../oci/index.ts';
import { ArchiveError, checkAbort } from './error.ts';
import { locate, type Medium } from './medium.ts';

/** An image's manifest as an index lists it. */
export interface Candidate {
  readonly descriptor: Descriptor;
  /** As the nearest index says that says it. */
  readonly platform: Platform | undefined;
}

/** Indexes within indexes; two levels are usual. */
const depthLimit = 8;

/** Where a layout keeps a blob. A `Digest` holds no dots and no slashes, so the path stays inside. */
export function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** A small blob, proven to be what the descriptor says; its `data` is used where it has some. */
export async function readDocument(
  medium: Medium,
  descriptor: Descriptor,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { digest, size, data } = descriptor;
  if (data !== undefined) {
    const bytes = Buffer.from(data, 'base64');
    const verifier = new DigestVerifier({ digest, size }, `the data of ${what} ${digest}`);
    verifier.update(bytes);
    verifier.finish();
    return bytes;
  }
  const location = await locate(medium, blobName(digest), `${what} of the image`);
  return readVerified(location, { digest, size }, { signal, what: `${what} ${digest} in ${medium.path}` });
}

/** Reads a manifest or index and checks it against its descriptor. */
export async function readManifest(
  medium: Medium,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Manifest | Index> {
  const bytes = await readDocument(medium, descriptor, 'manifest', signal);
  return parseManifest(bytes, descriptor.mediaType, `manifest ${descriptor.digest}`);
}

/** True of entries that can be an image or hold one: not attestations, signatures or unknown types. */
export function mayBeImage({ mediaType, annotations, platform, artifactType }: Descriptor): boolean {
  const kind = findMediaType(mediaType)?.kind;
  if (kind !== 'manifest' && kind !== 'index' && kind !== 'schema1') return false;
  if (annotations['vnd.docker.reference.type'] !== undefined || artifactType !== undefined) return false;
  return platform === undefined || !isNoPlatform(platform);
}

/**
 * All manifests of images under the given entries, in order, each once. Every index is read once, whatever the number
 * of paths to it, so the cost is bounded by the layout's blobs; over eight levels deep: ArchiveError `invalid`.
 */
export async function listImages(
  medium: Medium,
  roots: readonly Descriptor[],
  signal: AbortSignal | undefined,
): Promise<Candidate[]> {
  const seen = new Set<Digest>();
  const found: Candidate[] = [];
  const visit = async (entries: readonly Descriptor[], inherited: Platform | undefined, depth: number) => {
    for (const descriptor of entries) {
      checkAbort(signal);
      if (!mayBeImage(descriptor) || seen.has(descriptor.digest)) continue;
      seen.add(descriptor.digest);
      const platform = descriptor.platform ?? inherited;
      if (findMediaType(descriptor.mediaType)?.kind !== 'index') {
        found.push({ descriptor, platform });
        continue;
      }
      if (depth === depthLimit) throw tooDeep(medium);
      const index = await readManifest(medium, descriptor, signal);
      if (index.kind === 'index') await visit(index.manifests, platform, depth + 1);
    }
  };
  await visit(roots, undefined, 0);
  return found;
}

/** The descriptor of any manifest or index under `roots`; blobs that are missing on the way are passed over. */
export async function findDescriptor(
  medium: Medium,
  roots: readonly Descriptor[],
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> {
  const seen = new Set<Digest>();
  let level = roots;
  for (let depth = 0; level.length > 0; depth++) {
    const found = level.find(descriptor => descriptor.digest === digest);
    if (found !== undefined) return found;
    if (depth > depthLimit) throw tooDeep(medium);
    const next: Descriptor[] = [];
    for (const descriptor of level) {
      checkAbort(signal);
      if (findMediaType(descriptor.mediaType)?.kind !== 'index' || seen.has(descriptor.digest)) continue;
      seen.add(descriptor.digest);
      if (descriptor.data === undefined && !(await medium.find(blobName(descriptor.digest)))) continue;
      const index = await readManifest(medium, descriptor, signal);
      if (index.kind === 'index') for (const entry of index.manifests) next.push(entry);
    }
    level = next;
  }
  return undefined;
}

function tooDeep(medium: Medium): ArchiveError {
  return new ArchiveError('invalid', `${medium.path} has indexes more than ${depthLimit} levels deep`, {
    detail: { path: medium.path, limit: depthLimit },
  });
}
