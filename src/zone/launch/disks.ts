import type { VerityTable } from '../../verity/index.ts';
import type { Disk, VmmDriver } from '../../vmm/index.ts';

/** The image of a zone: one file, which any number of zones share. */
export interface ZoneImage {
  readonly path: string;
  readonly type: 'squashfs' | 'erofs';
  /** With it the guest checks every block that it reads against the root hash. */
  readonly verity?:
    | { readonly tree: string; table(dataDevice: string, hashDevice: string): VerityTable }
    | undefined;
}

/** A volume to be mounted in a zone. */
export interface MountedVolume {
  readonly file: string;
  /** Filesystem: `ext4`, `squashfs`, `erofs`. */
  readonly type: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** The disks of a zone, in the order in which its machine has them, and what they are called there. */
export interface DiskPlan {
  readonly disks: readonly Disk[];
  readonly image: string;
  readonly tree: string | undefined;
  readonly journal: string;
  readonly upper: string | undefined;
  readonly volumes: readonly string[];
}

/** The image first, then what is the zone's own, so that the order is a function of what there is. */
export function planDisks(
  driver: Pick<VmmDriver, 'deviceName'>,
  zone: {
    readonly image: ZoneImage;
    readonly journal: string;
    readonly scratch?: string | undefined;
    readonly volumes: readonly MountedVolume[];
  },
): DiskPlan {
  const disks: Disk[] = [];
  const add = (path: string, readOnly: boolean): string =>
    driver.deviceName(disks.push({ path, readOnly }) - 1);
  return {
    disks,
    image: add(zone.image.path, true),
    tree: zone.image.verity && add(zone.image.verity.tree, true),
    journal: add(zone.journal, false),
    upper: zone.scratch === undefined ? undefined : add(zone.scratch, false),
    volumes: zone.volumes.map(({ file, readOnly }) => add(file, readOnly)),
  };
}
