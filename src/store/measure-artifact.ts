import { chmodSync, lstatSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import type { Measured } from '../verity/index.ts';
import { knownArtifact, type StoredArtifact } from './artifact.ts';
import type { Catalogue } from './catalogue.ts';
import { StoreError } from './error.ts';
import { measureFresh } from './measure.ts';
import { artifactMode } from './settle-file.ts';
import { findVerity } from './verity.ts';

/**
 * The artifact with its root hash and its fs-verity digest: as it is, unless an earlier version stored it, which did not
 * compute them. Then it is read now, and they are kept. StoreError `corrupt` if it is not what its digest says, `not-found` if it has gone.
 */
export async function measureArtifact(
  catalogue: Catalogue,
  artifact: StoredArtifact,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<StoredArtifact> {
  if (artifact.fsverity !== undefined) return artifact;
  const { path, size, digest, key } = artifact;
  const measured = await measureFresh(path, size, options);
  if (measured.digest !== digest) {
    throw new StoreError('corrupt', `${path} is damaged: its digest is ${measured.digest}, not ${digest}`, {
      detail: { path, digest, actual: measured.digest },
      hint: 'shale fsck --repair drops it, and it is made again',
    });
  }
  keepMeasured(catalogue, artifact, measured);
  const kept = knownArtifact(catalogue, key);
  if (kept?.digest === digest) return kept;
  throw new StoreError('not-found', `the artifact ${path} is not there any more`, {
    detail: { path, key },
    hint: 'try again: what is missing is made again',
  });
}

/** Keeps the hashes of an artifact that has none; false if it has gone, or was made anew, meanwhile. */
export function keepMeasured(catalogue: Catalogue, artifact: StoredArtifact, measured: Measured): boolean {
  const { database } = catalogue;
  const { key, path, created } = artifact;
  const { rootHash = null, salt, dataBlocks, fsverity } = measured;
  return database.write(() => {
    const sql = `UPDATE artifact SET root_hash = ?, salt = ?, data_blocks = ?, fsverity = ?
      WHERE key = ? AND created = ? AND fsverity IS NULL`;
    const changed = database.run(sql, rootHash, salt, dataBlocks, fsverity, key, created.getTime());
    if (changed === 0) return false;
    for (const file of [path, findVerity(catalogue, artifact)?.path]) {
      if (file !== undefined) makeReadOnly(file);
    }
    return true;
  });
}

/** Of files that an earlier version stored. One that is sealed is read-only in any case. */
export function makeReadOnly(path: string): void {
  try {
    if (lstatSync(path).mode % 0o10000 !== artifactMode) chmodSync(path, artifactMode);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EPERM')) throw error;
  }
}
