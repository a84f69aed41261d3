import { ShaleError } from '../error/index.ts';
import { throwIfAborted } from '../host/index.ts';
import type { Digest } from '../oci/index.ts';
import type { Catalogue } from './catalogue.ts';
import { checkBlobs, checkLayerIndexes } from './check-content.ts';
import { checkDatabase, checkLayoutFiles, checkModes, findMissingBlobs } from './check-layout.ts';
import type { StoredBlob, StoredImage } from './image.ts';

export interface FsckOptions {
  /** Drops what is damaged, mends what can be derived, and fetches again what images need. */
  readonly repair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that were read, of those that are to be read. */
  readonly onProgress?:
    | ((progress: { readonly checked: number; readonly total: number }) => void)
    | undefined;
  /** Brings a blob of an image back into the cache, or rejects. Without it, what an image lacks comes with its next pull. */
  readonly refetch?: ((image: StoredImage, blob: StoredBlob) => Promise<void>) | undefined;
}

export interface Damage {
  readonly kind: 'blob' | 'index' | 'artifact' | 'verity' | 'layout' | 'database' | 'mode';
  /** A digest, or a path below the root. */
  readonly name: string;
  readonly problem: string;
  /** `none` also where a repair was asked for and did not work out. */
  readonly action: 'none' | 'dropped' | 'refetched' | 'repaired';
}

export interface FsckReport {
  /** How many blobs, layer indexes, artifacts and hash trees were read. */
  readonly checked: number;
  /** What they held. */
  readonly bytes: number;
  readonly damaged: readonly Damage[];
  /** Artifacts of an earlier version, by path below the root, whose root hash and fs-verity digest are known from now on. */
  readonly measured: readonly string[];
}

/** A check in progress: what it was asked for, and what it has found. */
export interface Check {
  readonly catalogue: Catalogue;
  readonly repair: boolean;
  readonly signal: AbortSignal | undefined;
  readonly damaged: Damage[];
  readonly measured: string[];
  /** A thing was read, or a part of it. */
  readonly read: (bytes: number) => void;
  readonly counted: { checked: number; bytes: number };
}

/**
 * Reads all of the cache, and compares it with its digests. Other processes may go on meanwhile: what they remove or add is
 * no damage. Nothing that was not verified is ever moved into place by a repair.
 */
export async function checkStore(catalogue: Catalogue, options: FsckOptions = {}): Promise<FsckReport> {
  const { repair = false, signal, onProgress, refetch } = options;
  const counted = { checked: 0, bytes: 0 };
  const damaged: Damage[] = [];
  const measured: string[] = [];
  let total = 0;
  const read = (bytes: number): void => {
    throwIfAborted(signal);
    counted.bytes += bytes;
    onProgress?.({ checked: counted.bytes, total: Math.max(total, counted.bytes) });
  };
  const check: Check = { catalogue, repair, signal, damaged, measured, counted, read };
  const isKnown = await checkDatabase(check);
  const parts = [checkBlobs(check), checkLayerIndexes(check)];
  if (isKnown) {
    checkModes(check);
    checkLayoutFiles(check);
    const { checkArtifacts } = await import('./check-artifact.ts');
    parts.push(checkArtifacts(check));
  }
  for (const part of parts) total += part.bytes;
  for (const part of parts) await part.run();
  if (!isKnown) return { ...counted, damaged, measured };
  const missing = new Map(findMissingBlobs(catalogue).map(each => [each.digest, each]));
  for (const { digest, problem } of missing.values()) {
    const known = damaged.findIndex(({ kind, name }) => kind === 'blob' && name === digest);
    const mended = repair ? await fetchAgain(catalogue, digest, { refetch, signal }) : undefined;
    const found = damaged[known] ?? { kind: 'blob', name: digest, problem, action: 'none' };
    const failure = typeof mended === 'string' ? `; fetching it again failed: ${mended}` : '';
    // Dropped is not enough where an image needs it.
    const action = mended === true ? 'refetched' : mended === undefined ? found.action : 'none';
    const damage: Damage = { ...found, problem: found.problem + failure, action };
    if (known === -1) damaged.push(damage);
    else damaged[known] = damage;
  }
  return { ...counted, damaged, measured };
}

/** True if it is there again, else why it is not; `undefined` if nobody can fetch. */
async function fetchAgain(
  catalogue: Catalogue,
  digest: Digest,
  { refetch, signal }: Pick<FsckOptions, 'refetch' | 'signal'>,
): Promise<boolean | string | undefined> {
  if (refetch === undefined) return undefined;
  let reason: string | undefined;
  for (const { image, blob } of findMissingBlobs(catalogue).filter(each => each.digest === digest)) {
    throwIfAborted(signal);
    try {
      await refetch(image, blob);
      if (findMissingBlobs(catalogue).every(each => each.digest !== digest)) return true;
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof ShaleError)) throw error;
      reason ??= error.message;
    }
  }
  return reason ?? 'it did not arrive';
}
