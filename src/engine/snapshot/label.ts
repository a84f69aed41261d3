/** Labels by which Shale knows its own snapshots again. Values are text. */
export const labels = {
  /** Of a layer that was unpacked: its diffID. */
  diffId: 'shale.dev/diff-id',
  /** Of one that a layer is just being unpacked into: by which process. */
  unpacker: 'shale.dev/unpack.by',
  /** The image that a snapshot is of: its name in full, and its manifest's digest. */
  image: 'shale.dev/image',
  manifest: 'shale.dev/manifest',
  /** Where it is to be mounted, and how. */
  target: 'shale.dev/mount.target',
  mode: 'shale.dev/mount.mode',
  /** Which mount it is (`mount-state.ts`); while it is being made, by whom, and what was on top there before. */
  mount: 'shale.dev/mount.is',
  mounter: 'shale.dev/mount.by',
  below: 'shale.dev/mount.below',
  /** The directory that is written to, where the user has chosen another than the snapshot's own. */
  upper: 'shale.dev/mount.upper',
} as const;
