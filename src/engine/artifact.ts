import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { ShaleError, wrapErrno } from '../error/index.ts';
import { createAtomicFile } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Output, Target } from '../render/index.ts';
import type { ArtifactKey, Store, StoredArtifact } from '../store/index.ts';
import type { OutputHashing } from './integrity/index.ts';
import { shaleVersion } from './version.ts';

/** Small enough to be hashed out of the processor's cache. */
const chunkBytes = 256 * 1024;
/** How many are read before others get their turn: some milliseconds' worth. */
const chunksAtOnce = 32;

/** What the cache knows an artifact by; undefined for what is no file. A codec of another version may compress otherwise. */
export function artifactKey(manifest: Digest, target: Target): ArtifactKey | undefined {
  const shale = shaleVersion();
  if (target.format === 'tar') return { manifest, format: 'tar', options: {}, versions: { shale } };
  if (target.format === 'directory') return undefined;
  const { format, compression, level, blockSize } = target;
  const { zstd = '', zlib = '' } = process.versions;
  const codec = compression === 'zstd' ? { zstd } : /gzip|deflate/.test(compression) ? { zlib } : {};
  const common = { manifest, format, versions: { shale, ...codec } };
  if (format === 'erofs') return { ...common, options: { compression, level, blockSize } };
  const { fragments, modificationTime } = target;
  return { ...common, options: { compression, level, blockSize, fragments, modificationTime } };
}

/** The content of a file that the page cache has, in chunks that are valid until the next: nothing is allocated for them. */
async function* readFileInPlace(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  const file = openSync(path, 'r');
  try {
    for (let chunk = 1; ; chunk++) {
      const length = readSync(file, buffer);
      if (length === 0) return;
      yield buffer.subarray(0, length);
      if (chunk % chunksAtOnce === 0) await setImmediate();
      if (signal?.aborted) throw new ShaleError('cancelled', 'cancelled', { cause: signal.reason });
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  } finally {
    closeSync(file);
  }
}

/** The artifacts of all targets, if the cache has every one. */
export function findArtifacts(
  store: Store,
  manifest: Digest,
  targets: readonly Target[],
): readonly (readonly [StoredArtifact, Target & { path: string }])[] | undefined {
  const found: [StoredArtifact, Target & { path: string }][] = [];
  for (const target of targets) {
    const key = 'path' in target ? artifactKey(manifest, target) : undefined;
    const artifact = key === undefined ? undefined : store.findArtifact(key);
    if (artifact === undefined || !('path' in target)) return undefined;
    found.push([artifact, target]);
  }
  return found;
}

/** Copies an artifact out of the cache, and checks it on the way: ShaleError `corrupt` if it is not what was stored. */
export async function copyArtifact(
  { path, digest, size }: StoredArtifact,
  target: Target & { readonly path: string },
  signal: AbortSignal | undefined,
  hashing: OutputHashing,
): Promise<Output> {
  await using file = await createAtomicFile(target.path, { exists: 'replace' });
  hashing.open(target.format, file);
  const hash = createHash('sha256');
  for await (const chunk of readFileInPlace(path, signal)) {
    hash.update(chunk);
    file.append(chunk);
  }
  if (file.size !== size || `sha256:${hash.digest('hex')}` !== digest) {
    throw new ShaleError('corrupt', `${path} is damaged: its digest is not ${digest}`, {
      detail: { path, digest },
      hint: 'shale fsck --repair drops it, and the next pull makes it again',
    });
  }
  await hashing.complete();
  await file.commit();
  return { path: target.path, format: target.format, bytes: file.size };
}
