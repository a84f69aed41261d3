import { ShaleError } from '../../error/index.ts';
import type { MountedVolume, StoredZone, Zones } from '../../zone/index.ts';
import { isAlive } from '../../zone/state/index.ts';

/** The volumes of one zone, locked until this is disposed. */
export interface OpenVolumes extends Disposable {
  readonly mounted: readonly MountedVolume[];
}

/**
 * Finds or makes the volumes that a zone asks for, and claims them for it. A directory of the host becomes an image, read-only: the guest never
 * touches the directory itself. ShaleError `conflict` if another zone has one.
 */
export async function openVolumes(
  zones: Zones,
  { directory, record }: StoredZone,
  options: {
    readonly root: string;
    readonly texts: readonly string[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<OpenVolumes> {
  if (options.texts.length === 0) return { mounted: [], [Symbol.dispose]: () => {} };
  // Most zones have none, and need not load what makes them.
  const { attachVolume, parseVolume, Volumes } = await import('../../zone/disk/index.ts');
  using stack = new DisposableStack();
  const mounted: MountedVolume[] = [];
  const volumes = new Volumes(options.root);
  for (const [index, text] of options.texts.entries()) {
    const name = `volume-${index}`;
    const attached = stack.use(
      await attachVolume(parseVolume(text), { volumes, directory, name, signal: options.signal }),
    );
    const { path, type, readOnly, target } = attached;
    mounted.push({ file: path, type, path: target, readOnly });
  }
  requireApart(mounted);
  if (mounted.length > 0) {
    const claimed = mounted.map(({ file, path, readOnly }) => ({ file, path, readOnly }));
    await zones.claim(record.id, claimed, others => requireFree(mounted, others), options.signal);
  }
  const kept = stack.move();
  return { mounted, [Symbol.dispose]: () => kept.dispose() };
}

function requireApart(volumes: readonly MountedVolume[]): void {
  const twice = volumes.find(({ path }, index) => volumes.findIndex(other => other.path === path) !== index);
  if (twice === undefined) return;
  throw new ShaleError('invalid', `two volumes are to be at ${twice.path}`, { detail: { path: twice.path } });
}

/** A lock ends with its process, a zone does not: what another zone that runs writes to is not given away. */
function requireFree(volumes: readonly MountedVolume[], others: readonly StoredZone[]): void {
  for (const { file, readOnly } of volumes) {
    const user = others.find(
      ({ record }) =>
        record.volumes.some(other => other.file === file && !(other.readOnly && readOnly)) && isAlive(record),
    );
    if (user === undefined) continue;
    throw new ShaleError('conflict', `the zone ${user.record.name} has ${file}`, {
      detail: { path: file, zone: user.record.id },
      hint: 'a volume is written to by one zone at a time; end the volume with :ro in all zones to share it',
    });
  }
}
