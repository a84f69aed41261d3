/** What `--driver-option NAME=VALUE` may say to a driver. */
export type Setting = ChoiceSetting | TextSetting;

export interface ChoiceSetting {
  /** The first is what it is if nothing is said. */
  readonly choices: readonly [string, ...string[]];
  /** Half a sentence for people. */
  readonly help: string;
}

export interface TextSetting {
  /** `SIZE`. */
  readonly value: string;
  readonly help: string;
  /** What it is if nothing is said; nothing, if that is not here. */
  readonly usual?: string;
  /** Of what is taken; if that is not here, the driver looks itself. */
  readonly pattern?: RegExp;
}

const volatile = {
  choices: ['off', 'on'],
  help: 'nothing that is written is synced: faster, and lost after a power cut; such a snapshot is mounted once',
} as const;

/** Of all drivers that keep layers in files. */
const layerFiles = {
  upper: {
    ...{ value: 'none|SIZE', usual: 'none', pattern: /^(none|[1-9][0-9]{0,11}[KMGT]?)$/ },
    help: 'what is written goes to a directory, or to a disk (a sparse file, ext4) of this size for each snapshot, such as 8G',
  },
  mount: {
    choices: ['auto', 'file', 'loop'],
    help: "the kernel mounts a layer's file itself (Linux 6.12), or by a loop device",
  },
  verity: {
    choices: ['auto', 'no'],
    help: 'fs-verity on committed layers where the filesystem has it: every read is checked',
  },
  immutable: { choices: ['no', 'yes'], help: 'the immutable flag on committed layers' },
} as const;

/** All drivers, and the settings of each. */
export const knownSettings = {
  overlayfs: {
    redirect_dir: {
      choices: ['nofollow', 'on'],
      help: 'a directory that is renamed is copied by whoever renames it, or leaves a mark; kept for all that is on top of the snapshot',
    },
    metacopy: {
      choices: ['off', 'on'],
      help: 'a change of mode or owner copies a file up, or its metadata alone; kept likewise, and brings redirect_dir=on',
    },
    volatile,
    userxattr: {
      choices: ['auto', 'on', 'off'],
      help: 'marks are user.overlay.* attributes, as a user namespace needs them',
    },
  },
  'fuse-overlayfs': { volatile },
  erofs: {
    merged: {
      choices: ['auto', 'yes', 'no'],
      help: 'a chain of layers is mounted as one filesystem of metadata over their files; auto: from 32 layers on',
    },
    ...layerFiles,
  },
  squashfs: {
    compression: { choices: ['zstd', 'gzip', 'lz4', 'xz', 'none'], help: 'of the flat image of a chain' },
    level: {
      ...{ value: 'usual|NUMBER', usual: 'usual', pattern: /^(usual|[1-9][0-9]?)$/ },
      help: 'of the compression',
    },
    ...layerFiles,
  },
  btrfs: {},
  zfs: {
    dataset: { value: 'POOL/NAME', help: 'the filesystem that has the snapshots, and nothing else; needed' },
  },
  devmapper: {
    pool: { value: 'NAME', help: 'the thin pool, as dmsetup ls has it; this or data is needed' },
    data: { value: 'SIZE', help: 'a pool on a sparse file of this size instead, for trying out' },
    metadata: { value: 'SIZE', help: "that pool's metadata; a thousandth of the data if not given" },
    fs_type: { choices: ['ext4', 'xfs'], help: 'of the filesystems that are made from now on' },
    base_size: { value: 'SIZE', usual: '10G', help: 'what each snapshot seems to have' },
  },
  native: {},
  aufs: {},
} as const satisfies Readonly<Record<string, Readonly<Record<string, Setting>>>>;

export type DriverName = keyof typeof knownSettings;
export const driverNames = Object.keys(knownSettings) as readonly DriverName[];
