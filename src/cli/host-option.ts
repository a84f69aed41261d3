import { driverNames } from '../engine/snapshot/driver-settings.ts';
import type { Option } from './option.ts';

/** The flags that only commands on snapshots and mounts of this machine have. */
export const hostOptions = {
  driver: {
    kind: 'choice',
    choices: driverNames,
    help: 'what keeps the snapshots',
    default: 'the first that works here of overlayfs, fuse-overlayfs, btrfs, native; see shale doctor',
  },
  'driver-option': {
    kind: 'texts',
    value: 'NAME=VALUE',
    help: "a setting of the driver's own, such as metacopy=on; may be given again",
  },
  rw: { kind: 'flag', help: 'what is mounted can be written to', default: 'yes' },
  ro: { kind: 'flag', help: 'what is mounted can only be read' },
  upper: {
    kind: 'text',
    value: 'tmpfs|DIR|SIZE',
    help: 'where what is written goes: into memory, into a directory of yours, or onto a disk image of this size',
    default: 'beside the layers, in the root of Shale',
  },
  suid: { kind: 'flag', help: 'setuid programs and file capabilities work' },
  dev: { kind: 'flag', help: 'device nodes can be opened' },
  keep: { kind: 'flag', help: 'keep the snapshot, whether or not something was written' },
  discard: { kind: 'flag', help: 'let go of what was written' },
  lazy: { kind: 'flag', short: 'l', help: 'unmount at once, also what is in use; it ends when its users do' },
  left: { kind: 'flag', help: 'clear up what crashes, reboots and other programs have left' },
  out: { kind: 'text', short: 'o', value: 'FILE', help: 'write the changes as a layer into this new file' },
  form: {
    kind: 'choice',
    choices: ['overlay', 'overlay-user', 'fuse-overlayfs', 'aufs'],
    help: 'what the directory is: an upper directory of this kind',
  },
  label: { kind: 'texts', value: 'NAME=VALUE', help: 'a label of the snapshot; may be given again' },
} as const satisfies Readonly<Record<string, Option>>;
