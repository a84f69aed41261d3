/**
 * Local files as targets of a copy: an OCI layout directory, the same in a tar file, and that with Docker's
 * manifest.json, which `docker load` reads. Nothing is recompressed and no manifest is rewritten, so every digest stays.
 */
import type { LocalTarget, TargetReading } from '../../oci/index.ts';
import { findStatus } from '../medium.ts';
import { ArchiveTarget } from './archive-target.ts';
import { LayoutTarget } from './layout-target.ts';
import type { ImageTarget } from './target.ts';

export type { ImageTarget } from './target.ts';

/** Touches nothing before `begin`. `exists` says what an archive that is already there means; `error` if not given. */
export async function createImageTarget(
  target: LocalTarget,
  options: { readonly exists?: 'error' | 'replace' | undefined } = {},
): Promise<ImageTarget> {
  const { path, name } = await findReading(target.readings);
  if (target.kind === 'oci') return new LayoutTarget(path, name);
  return new ArchiveTarget({ kind: target.kind, path, name, exists: options.exists });
}

/** The first whose path is there, as a source is read; for what is new, the shortest path. */
async function findReading(readings: readonly TargetReading[]): Promise<TargetReading> {
  for (const reading of readings) if (await findStatus(reading.path)) return reading;
  return readings.at(-1)!;
}
