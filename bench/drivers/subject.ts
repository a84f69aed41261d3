/** A way to have many writable root filesystems of one pile of layers. */
export interface Subject {
  readonly name: string;
  /** What it is, in a sentence. */
  readonly about: string;
  /** The command lines that amount to the same by hand, for the reader. */
  readonly commands: readonly string[];
  /** What the place is on that `open` gets. */
  readonly filesystem: FilesystemType;
  /** Programs that it takes. */
  readonly needs: readonly string[];
  /** Makes what is needed of the layers (paths of tars, the lowest first) in an empty directory. */
  open(place: string, layers: readonly string[]): Promise<OpenSubject>;
}

export type FilesystemType = 'ext4' | 'btrfs' | 'xfs';

export interface OpenSubject extends AsyncDisposable {
  /** A new writable snapshot of all layers, mounted. */
  prepare(): Promise<View>;
}

/** Disposing it unmounts and removes it. */
export interface View extends AsyncDisposable {
  readonly path: string;
  /** Words before a command line that is to see the view; none where everybody sees it. */
  readonly entrance: readonly string[];
  /** Mounts it anew: the filesystem knows nothing of it any more. */
  remount(): Promise<void>;
  /** What was written becomes a layer, and is on the disk. Nothing may be written any more. */
  commit(): Promise<void>;
}
