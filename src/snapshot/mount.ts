/**
 * How to see a snapshot, in mount(8)'s terms: type `bind`, `overlay`, `fuse3.fuse-overlayfs`, `ext4`, …, what is mounted, and its options as a
 * comma-separated list would have them. Plain data, for it is also what goes over the wire to containerd.
 */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** Below the place that is mounted to; usually absent. */
  readonly target?: string | undefined;
  readonly options: readonly string[];
}
