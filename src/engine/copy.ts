import { type CopyEvent, copy as copyGraph, readGraph } from '../content/index.ts';
import { hostPlatform } from '../host/index.ts';
import {
  normalizePlatform,
  parsePlatform,
  parseSource,
  parseTarget,
  type Source,
  type Target,
} from '../oci/index.ts';
import type { CacheOptions, ProgressEvent, RegistryOptions } from './options.ts';
import { Connections, createCopyTarget, openCopySource } from './transport/index.ts';

export interface CopyOptions extends CacheOptions, RegistryOptions {
  /** `os/arch[/variant]`; of an index the host's if absent. */
  readonly platform?: string | undefined;
  /** The whole index, which keeps its digest, and not the image for one platform. */
  readonly allPlatforms?: boolean | undefined;
  /** Also signatures, SBOMs and whatever else refers to what is copied. */
  readonly referrers?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** How a blob came to its target; `pushed` to a registry, `copied` to anywhere else. */
export type BlobOutcome = 'pushed' | 'copied' | 'mounted' | 'exists';

export interface CopiedBlob {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly how: BlobOutcome;
}

export interface CopyResult {
  /** Of the manifest or index that was copied. */
  readonly digest: string;
  /** Configs and layers. */
  readonly blobs: readonly CopiedBlob[];
  /** Foreign layers that the source does not have. */
  readonly leftOut: readonly string[];
  /** Of the blobs that were not at the target before. */
  readonly bytes: number;
}

/**
 * Copies an image as it is: no digest changes. A docker-archive that has no manifest gets one. Targets are
 * `docker://NAME`, `cache:NAME`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` and `docker-archive:FILE[:NAME]`; a file that is
 * there already is an error `exists`, a layout is added to. Fails with a ShaleError that says at which end; nothing
 * half-written is visible then, and what was complete is not copied again the next time.
 */
export async function copy(source: string, target: string, options: CopyOptions = {}): Promise<CopyResult> {
  return await copyBetween(parseSource(source), parseTarget(target), options);
}

/** The same, parsed. */
export async function copyBetween(source: Source, target: Target, options: CopyOptions): Promise<CopyResult> {
  const { signal, onProgress, platform, allPlatforms = false, referrers } = options;
  await using connections = new Connections({
    ...options,
    onRetry: event => onProgress?.({ type: 'retry', ...event }),
  });
  using from = await openCopySource(source, connections, {
    all: allPlatforms,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    host: normalizePlatform({ ...hostPlatform(), os: 'linux' }),
    signal,
  });
  const graph = await readGraph(from.fetcher, from.root, { referrers, signal });
  await using to = await createCopyTarget(target, connections, from);
  const pushed = target.kind === 'registry' ? 'pushed' : 'copied';
  const outcome = (how: 'pushed' | 'mounted' | 'exists'): BlobOutcome => (how === 'pushed' ? pushed : how);
  const tell = ({ blob: { digest, size }, taken: done, how }: CopyEvent) =>
    onProgress?.({ type: 'blob', digest, done, size, ...(how !== undefined && { how: outcome(how) }) });
  const copied = await copyGraph(from.fetcher, to, graph, { signal, onProgress: tell });
  await to.commit();
  onProgress?.({ type: 'finish' });
  const isBlob = new Set(graph.blobs);
  const blobs = copied.flatMap(({ descriptor: { digest, size }, descriptor, how }) =>
    how === 'left-out' || !isBlob.has(descriptor) ? [] : [{ digest, size, how: outcome(how) }],
  );
  const moved = blobs.filter(({ how }) => how === pushed);
  return {
    digest: graph.root.descriptor.digest,
    blobs,
    leftOut: graph.leftOut.map(({ digest }) => digest),
    bytes: moved.reduce((sum, { size }) => sum + size, 0),
  };
}
