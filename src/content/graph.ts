import { type Descriptor, type Digest, findMediaType, type Manifest, parseManifest } from '../oci/index.ts';
import type { ContentOptions, Fetcher, Graph, GraphManifest } from './contract.ts';
import { ContentError } from './error.ts';
import { inParallel } from './parallel.ts';
import { blame } from './side.ts';
import { DigestVerifier } from './verifier.ts';

/** Indexes within indexes; two levels are usual. */
const depthLimit = 8;
/** Of all manifests of one graph, in bytes: they are kept until the copy is done. */
const graphLimit = 64 * 1024 * 1024;
const readsAtOnce = 4;

export interface GraphOptions extends ContentOptions {
  /** Also what refers to any manifest of the graph: signatures, SBOMs. */
  readonly referrers?: boolean | undefined;
}

/**
 * Reads every manifest under `root`, verified. ShaleError as the fetcher's, saying that the source failed; ContentError
 * `exhausted` above 64 MiB of manifests, `invalid` over eight levels deep or where one digest has two sizes.
 */
export async function readGraph(
  fetcher: Fetcher,
  root: Descriptor,
  options: GraphOptions = {},
): Promise<Graph> {
  try {
    const reader = new GraphReader(fetcher, options.signal);
    await reader.read(root);
    const referrers = options.referrers ? await reader.readReferrers() : [];
    return await reader.finish(root, referrers);
  } catch (error) {
    throw blame(error, 'source', fetcher.place);
  }
}

/** A manifest or an index, verified and parsed. */
export async function readGraphManifest(
  fetcher: Fetcher,
  descriptor: Descriptor,
  options: ContentOptions = {},
): Promise<GraphManifest> {
  const what = `manifest ${descriptor.digest}`;
  const bytes =
    descriptor.data === undefined
      ? await fetcher.readManifest(descriptor, options)
      : Buffer.from(descriptor.data, 'base64');
  const verifier = new DigestVerifier(descriptor, what);
  verifier.update(bytes);
  verifier.finish();
  return { descriptor, bytes, content: parseManifest(bytes, descriptor.mediaType, what) };
}

class GraphReader {
  readonly #fetcher: Fetcher;
  readonly #signal: AbortSignal | undefined;
  readonly #manifests = new Map<Digest, GraphManifest>();
  readonly #blobs = new Map<Digest, Descriptor>();
  #bytes = 0;

  constructor(fetcher: Fetcher, signal: AbortSignal | undefined) {
    this.#fetcher = fetcher;
    this.#signal = signal;
  }

  /** Level by level, so that the manifests of one index are read several at once. */
  async read(root: Descriptor): Promise<void> {
    let level = [root];
    for (let depth = 0; level.length > 0; depth++) {
      if (depth > depthLimit) {
        throw new ContentError('invalid', `${root.digest} has indexes more than ${depthLimit} levels deep`);
      }
      const fresh = [...new Map(level.map(node => [node.digest, node])).values()].filter(
        ({ digest }) => !this.#manifests.has(digest),
      );
      await inParallel(fresh, readsAtOnce, this.#signal, async (descriptor, signal) => {
        const manifest = await readGraphManifest(this.#fetcher, descriptor, { signal });
        this.#bytes += manifest.bytes.length;
        if (this.#bytes > graphLimit) {
          throw new ContentError(
            'exhausted',
            `${root.digest} leads to over ${graphLimit} bytes of manifests`,
          );
        }
        this.#manifests.set(descriptor.digest, manifest);
      });
      level = fresh.flatMap(({ digest }) => manifestsIn(this.#manifests.get(digest)!));
    }
  }

  /** Those of every manifest, and those of the referrers again. */
  async readReferrers(): Promise<Descriptor[]> {
    const found = new Map<Digest, Descriptor>();
    const asked = new Set<Digest>();
    for (;;) {
      const subjects = [...this.#manifests.keys()].filter(digest => !asked.has(digest));
      if (subjects.length === 0) return [...found.values()];
      for (const subject of subjects) {
        asked.add(subject);
        const referrers = await this.#fetcher.findReferrers?.(subject, { signal: this.#signal });
        for (const referrer of referrers ?? []) {
          if (this.#manifests.has(referrer.digest)) continue;
          found.set(referrer.digest, referrer);
          await this.read(referrer);
        }
      }
    }
  }

  async finish(root: Descriptor, referrers: readonly Descriptor[]): Promise<Graph> {
    const ordered = new Map<Digest, GraphManifest>();
    const visit = ({ digest }: Descriptor) => {
      const manifest = this.#manifests.get(digest)!;
      if (ordered.has(digest)) return;
      manifestsIn(manifest).forEach(visit);
      ordered.set(digest, manifest);
    };
    // The root last: when it becomes visible, so does what refers to it.
    const below = manifestsIn(this.#manifests.get(root.digest)!);
    for (const descriptor of [...below, ...referrers]) visit(descriptor);
    visit(root);
    for (const manifest of ordered.values()) for (const blob of blobsIn(manifest)) this.#addBlob(blob);
    const leftOut = await this.#findLeftOut();
    return {
      root: this.#manifests.get(root.digest)!,
      manifests: [...ordered.values()],
      blobs: [...this.#blobs.values()].filter(blob => !leftOut.includes(blob)),
      leftOut,
      referrers,
    };
  }

  #addBlob(blob: Descriptor): void {
    const before = this.#blobs.get(blob.digest);
    if (before === undefined) this.#blobs.set(blob.digest, blob);
    else if (before.size !== blob.size) {
      const message = `two manifests disagree on the size of ${blob.digest}: ${before.size} and ${blob.size}`;
      throw new ContentError('invalid', message, { detail: { digest: blob.digest } });
    }
  }

  async #findLeftOut(): Promise<Descriptor[]> {
    const foreign = [...this.#blobs.values()].filter(({ mediaType }) => {
      const type = findMediaType(mediaType);
      return type?.kind === 'layer' && type.nondistributable;
    });
    const missing: Descriptor[] = [];
    await inParallel(foreign, readsAtOnce, this.#signal, async (blob, signal) => {
      if (!(await this.#fetcher.hasBlob(blob, { signal }))) missing.push(blob);
    });
    return missing;
  }
}

function isManifest({ mediaType }: Descriptor): boolean {
  const kind = findMediaType(mediaType)?.kind;
  return kind === 'manifest' || kind === 'index' || kind === 'schema1';
}

function manifestsIn({ content }: GraphManifest): Descriptor[] {
  return content.kind === 'index' ? content.manifests.filter(isManifest) : [];
}

function blobsIn({ content }: GraphManifest): Descriptor[] {
  if (content.kind === 'index') return content.manifests.filter(entry => !isManifest(entry));
  return blobsOf(content);
}

/** The config, then the layers. */
function blobsOf({ config, layers }: Manifest): Descriptor[] {
  return [config, ...layers];
}
