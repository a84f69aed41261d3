import type { Commands, Families, Operand } from './command.ts';
import { brief, reading, sourcing } from './shared.ts';

const subject: Operand = {
  name: 'PLACE',
  help: 'where shale mount has mounted something, or the name of a snapshot',
};
const keeping = ['driver', 'driver-option'] as const;
const parent: Operand = {
  name: 'PARENT',
  help: 'a committed snapshot, or an image (see SOURCE of render), which is unpacked first; nothing if left out',
  optional: true,
};
const key: Operand = { name: 'NAME', help: 'how the snapshot is called' };

/** Images as filesystems of this machine. */
export const hostCommands = {
  mount: {
    summary: 'mount an image at a directory; without operands, list what is mounted',
    description: [
      'Unpacks the layers of IMAGE that are not there yet, each into a snapshot of its own, and mounts them at DIR with a writable snapshot on top, or ' +
        'with --ro as they are. Images share their layers. What is written is kept beside them, whatever happens to this process, until shale umount.',
      'Always nosuid and nodev, unless --suid or --dev is given: whatever the image holds, nothing of it gains privileges or reaches a device by being ' +
        'mounted.',
      'A directory of --upper is for one mount at a time, and for nothing else: an empty one becomes private, for what is written there has the setuid ' +
        'bits of the image.',
      'A user who is not root has it mounted in his namespace, where shale unshare leads. Without IMAGE all that is mounted is listed, also what a ' +
        'crash or a reboot has left, which is not mounted any more; shale umount --left clears that up.',
    ],
    namespace: 'always',
    operands: [
      { name: 'IMAGE', help: 'the image (see SOURCE of render)', optional: true },
      { name: 'DIR', help: 'where to mount it', optional: true },
    ],
    options: ['rw', 'ro', 'upper', 'suid', 'dev', ...keeping, ...sourcing, ...reading],
    examples: [
      { what: 'To look around, and to change things', line: 'shale mount nginx /mnt' },
      { what: 'Read-only', line: 'shale mount --ro oci:layout:latest /mnt' },
      { what: 'Changes in memory only', line: 'shale mount --upper tmpfs nginx /mnt' },
      { what: 'What is mounted', line: 'shale mount' },
    ],
    statuses: {
      5: 'something of Shale is mounted there already',
      9: 'no driver works here, see shale doctor',
    },
  },
  umount: {
    summary: 'unmount what shale mount has mounted',
    description: [
      'What was written stays as a snapshot, which shale commit or shale snapshot rm takes; where nothing was written, nothing stays. What was written to a ' +
        'tmpfs or a disk image (--upper) goes with it, so that takes --discard.',
    ],
    namespace: 'with-snapshots',
    operands: [{ ...subject, optional: true }],
    options: ['discard', 'keep', 'lazy', 'left', ...brief],
    examples: [
      { what: 'What was changed stays', line: 'shale umount /mnt' },
      { what: 'What was changed goes', line: 'shale umount --discard /mnt' },
      { what: 'After a crash', line: 'shale umount --left' },
    ],
    statuses: { 12: 'it is in use, or what was written to memory would be lost' },
  },
  diff: {
    summary: 'show what has changed, or write it as a layer',
    description: [
      'Of PLACE, against the image or snapshot below it; of two directories, what makes the first into the second; with --form, of an upper directory ' +
        'that another program has left. One line for each path: A for added, C for changed, D for deleted, as docker diff has them.',
      'With --out the changes become a layer: a tar with whiteouts, deterministic, gzip by default. A file that was only opened for writing, and is as it ' +
        'was, is no change.',
    ],
    namespace: 'with-snapshots',
    operands: [
      { ...subject, help: `${subject.help}; or a directory` },
      { name: 'NEWER', help: 'the directory to compare it with', optional: true },
    ],
    options: ['form', 'out', 'compression', 'root', 'strict', 'quiet', 'json'],
    refinements: {
      compression: { choices: ['gzip', 'zstd', 'none'], help: 'of the layer', default: 'gzip' },
    },
    examples: [
      { what: 'What was done to an image', line: 'shale diff /mnt' },
      { what: 'As a layer', line: 'shale diff /mnt --out layer.tar.gz' },
      { what: 'Between two directories', line: 'shale diff rootfs.old rootfs.new' },
      {
        what: 'Of another engine’s upper directory',
        line: 'shale diff --form overlay /var/lib/docker/overlay2/ID/diff',
      },
    ],
  },
  commit: {
    summary: 'make an image of what was changed',
    description: [
      'The layers of the image that is mounted at PLACE, and one more with what was written; the new image is called NAME in the cache, from where shale push ' +
        'brings it to a registry. It stays mounted. Prints the name with its digest on standard output.',
    ],
    namespace: 'with-snapshots',
    operands: [subject, { name: 'NAME', help: 'of the new image' }],
    options: ['message', 'author', 'change', 'compression', 'strict', ...brief],
    refinements: { compression: { choices: ['gzip', 'zstd'], help: 'of the layer', default: 'gzip' } },
    examples: [
      {
        what: 'With another command',
        line: `shale commit /mnt registry.example/app:1.3 --change 'CMD ["app"]'`,
      },
    ],
  },
} as const satisfies Commands;

/** The snapshotter, by hand. */
export const snapshotCommands = {
  'snapshot prepare': {
    summary: 'make a snapshot that can be written to, and print its mounts',
    description: [
      'Prints the mount(8) command that shows it, with TARGET for the directory, nosuid and nodev. The snapshot is there until it is committed or removed.',
    ],
    namespace: 'always',
    operands: [key, parent],
    options: ['label', ...keeping, ...sourcing, ...reading],
    examples: [
      { what: 'On an image', line: 'shale snapshot prepare work nginx' },
      { what: 'Mounted at once', line: 'shale snapshot prepare work nginx | sed s,TARGET,/mnt,g | sh' },
    ],
  },
  'snapshot view': {
    summary: 'make a snapshot that can only be read, and print its mounts',
    description: ['As shale snapshot prepare, but nothing can be written to it, and it cannot be committed.'],
    namespace: 'always',
    operands: [key, parent],
    options: ['label', ...keeping, ...sourcing, ...reading],
    examples: [{ what: 'Of an image', line: 'shale snapshot view look nginx' }],
  },
  'snapshot commit': {
    summary: 'make a snapshot unchangeable, so that others can be based on it',
    description: ['The active snapshot KEY becomes the committed snapshot NAME. Unmount it first.'],
    namespace: 'with-snapshots',
    operands: [
      { name: 'NAME', help: 'of the committed snapshot' },
      { name: 'KEY', help: 'the active snapshot' },
    ],
    options: ['label', ...brief],
    examples: [{ what: 'One', line: 'shale snapshot commit tools work' }],
  },
  'snapshot mounts': {
    summary: 'print the mounts of a snapshot',
    description: [
      'The mount(8) command for it, with TARGET for the directory, nosuid and nodev; --json gives type, source and options.',
    ],
    namespace: 'with-snapshots',
    operands: [key],
    options: brief,
    examples: [{ what: 'As JSON', line: 'shale snapshot mounts work --json' }],
  },
  'snapshot rm': {
    summary: 'remove snapshots, with what was written to them',
    description: ['One that others are based on is not removed. What a crash has left of others goes, too.'],
    namespace: 'with-snapshots',
    operands: [{ ...key, many: true }],
    options: brief,
    examples: [{ what: 'One', line: 'shale snapshot rm work' }],
  },
  'snapshot ls': {
    summary: 'list the snapshots of all drivers',
    description: ['Parents come before what is based on them.'],
    namespace: 'with-snapshots',
    operands: [],
    options: ['driver', ...brief],
    refinements: {
      driver: { help: 'only those of this driver', default: 'all' },
      quiet: { help: 'only the names, one a line' },
    },
    examples: [{ what: 'All', line: 'shale snapshot ls' }],
  },
  'snapshot usage': {
    summary: 'say what snapshots take of the disk, without what is below them',
    description: ['Bytes and inodes. Of all snapshots if none is named.'],
    namespace: 'with-snapshots',
    operands: [{ ...key, many: true, optional: true }],
    options: brief,
    examples: [{ what: 'One', line: 'shale snapshot usage work' }],
  },
} as const satisfies Commands;

/** The words that snapshot commands begin with. */
export const snapshotFamilies = {
  snapshot: {
    summary: 'snapshots: prepare, view, commit, list, remove',
    description: [
      'A snapshot is a filesystem as it was at some point: committed ones never change, and others are based on them. Each layer of an image that was ' +
        'unpacked is one, called by its chainID. It is what containerd calls so, and what shale serve gives to containerd.',
    ],
  },
} as const satisfies Families;
