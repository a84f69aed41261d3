import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { type Bytes, decompressed, verified } from '../../content/index.ts';
import type { Warnings } from '../../error/index.ts';
import { canSyncFilesystem, syncFilesystem } from '../../host/index.ts';
import { type ApplyOptions, applyLayer } from '../../layer/apply/index.ts';
import { createLimits, type LayerLimits } from '../../layer/index.ts';
import { type Digest, parseDigest, parseLayerType } from '../../oci/index.ts';
import { type Mount, openMounts } from '../../snapshot/index.ts';
import { unescapePath } from '../../snapshot/overlay-options.ts';
import type { Served } from './open.ts';

/** A layer that comes from elsewhere, compressed or not. Nothing of it is verified yet. */
export interface ForeignLayer {
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly content: Bytes;
}

export interface ApplyForeignOptions {
  readonly limits?: Partial<LayerLimits> | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether all must be on disk when this returns. A snapshot of ours is synced when it is committed, so that asks for others' mounts alone. */
  readonly sync: boolean;
}

/** What a layer is uncompressed; size in bytes. */
export interface Uncompressed {
  readonly diffId: Digest;
  readonly size: number;
}

/**
 * Applies a layer to what mounts show, and reads it to its end, digest and size compared. Into a snapshot of ours it goes past its mounts, in the driver's
 * own form: so what the layer deletes is kept, also for one that gets its parent only when it is committed. Anybody else's mounts are
 * mounted for this process alone. After a failure what the mounts show is fit to be thrown away only. `unsupported` for what is no layer.
 */
export async function applyForeign(
  { snapshots, directory }: Served,
  layer: ForeignLayer,
  mounts: readonly Mount[],
  options: ApplyForeignOptions,
): Promise<Uncompressed> {
  parseLayerType(layer.mediaType);
  const { limits: given, warnings, signal, sync } = options;
  const limits = createLimits(given);
  const what = `layer ${layer.digest}`;
  const { digest, size } = layer;
  const measure = new Measure();
  const archive = measure.pass(
    decompressed(verified(layer.content, { digest, size }, what), {
      ratio: { most: limits.ratio, floor: limits.ratioFloor },
      what,
    }),
  );
  const key = snapshots.identify(mounts);
  if (key !== undefined) await snapshots.apply(key, archive, { limits, warnings, signal });
  else await applyToMounts(archive, mounts, { limits, warnings, signal, sync, scratch: directory });
  return measure.result();
}

async function applyToMounts(
  archive: Bytes,
  mounts: readonly Mount[],
  { sync, scratch, ...options }: ApplyOptions & { readonly sync: boolean; readonly scratch: string },
): Promise<void> {
  const upper = findLoneUpper(mounts);
  if (upper !== undefined) {
    await applyLayer(archive, upper, { ...options, below: 'unknown' });
    if (sync) await syncAt(upper.path);
    return;
  }
  using mounted = await openMounts(mounts, scratch);
  await applyLayer(archive, { path: mounted.path, form: 'plain' }, options);
  if (sync) await syncAt(mounted.path);
}

/**
 * The upper directory of an overlay that has no lower ones. The kernel mounts no such thing: it is containerd's word for a layer that gets its
 * parent later, so what it deletes must be kept.
 */
function findLoneUpper([mount, ...others]: readonly Mount[]) {
  if (mount?.type !== 'overlay' || others.length > 0) return undefined;
  const { options } = mount;
  const upper = options.find(option => option.startsWith('upperdir='))?.slice('upperdir='.length);
  if (upper === undefined || options.some(option => /^lowerdir\+?=/.test(option))) return undefined;
  const form = options.includes('userxattr') ? ('overlay-user' as const) : ('overlay' as const);
  return { path: unescapePath(upper), form };
}

async function syncAt(path: string): Promise<void> {
  if (!canSyncFilesystem()) return;
  const fd = openSync(path, 'r');
  try {
    await syncFilesystem(fd);
  } finally {
    closeSync(fd);
  }
}

/** Hashes and counts what passes. */
class Measure {
  readonly #hash = createHash('sha256');
  #size = 0;

  async *pass(archive: Bytes): Bytes {
    for await (const chunk of archive) {
      this.#hash.update(chunk);
      this.#size += chunk.length;
      yield chunk;
    }
  }

  result(): Uncompressed {
    return { diffId: parseDigest(`sha256:${this.#hash.digest('hex')}`), size: this.#size };
  }
}
