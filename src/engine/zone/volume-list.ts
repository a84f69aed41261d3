import { ShaleError } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import { type StoredVolume, Volumes } from '../../zone/disk/index.ts';
import { isAlive, Zones } from '../../zone/index.ts';
import type { VolumeSummary } from './report.ts';
import type { ZoneOptions } from './request.ts';

/** The named volumes of the cache, and who has them. */
export async function listVolumes({ root = findDataRoot() }: ZoneOptions = {}): Promise<VolumeSummary[]> {
  return new Volumes(root).list().map(volume => describe(root, volume));
}

/** Removes named volumes with all that is in them. ShaleError `conflict` while a zone that runs has one, `not-found`. */
export async function removeVolumes(
  names: readonly string[],
  { root = findDataRoot() }: ZoneOptions = {},
): Promise<VolumeSummary[]> {
  const volumes = new Volumes(root);
  const removed: VolumeSummary[] = [];
  for (const name of names) {
    const summary = volumes.list().find(volume => volume.name === name);
    const described = summary && describe(root, summary);
    const [user] = described?.zones ?? [];
    if (user !== undefined) {
      throw new ShaleError('conflict', `the zone ${user} has the volume ${name}`, {
        detail: { volume: name, zones: described!.zones },
        hint: `shale zone stop ${user}`,
      });
    }
    await volumes.remove(name);
    if (described !== undefined) removed.push(described);
  }
  return removed;
}

function describe(root: string, { name, path, size, used }: StoredVolume): VolumeSummary {
  const users = new Zones(root)
    .all()
    .filter(({ record }) => record.volumes.some(({ file }) => file === path));
  const zones = users.filter(({ record }) => isAlive(record)).map(({ record }) => record.name);
  return { name, path, size, used, zones };
}
