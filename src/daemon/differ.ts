import type { Digest } from '../oci/index.ts';
import type { Mount } from '../snapshot/mount.ts';
import type { Labels } from '../snapshot/snapshotter.ts';

/** What names a blob in containerd's content store. */
export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** On whose behalf something is done: what containerd's own services are to be told. */
export interface Client {
  /** containerd's namespace; `undefined` if the caller has named none. */
  readonly namespace: string | undefined;
  /** containerd's lease, which keeps what is made from being collected; `undefined` if the caller has named none. */
  readonly lease: string | undefined;
}

export interface ApplyOptions extends Client {
  readonly signal: AbortSignal;
  /** Whether what was written must be on disk before the answer. */
  readonly sync: boolean;
}

export interface DiffOptions extends Client {
  readonly signal: AbortSignal;
  /** Of the layer to be made; `undefined`: a gzip. */
  readonly mediaType: string | undefined;
  /** Names the write in the content store; `undefined`: one of our own. */
  readonly reference: string | undefined;
  readonly labels: Labels;
  /** Milliseconds since 1970: no time in the layer is later. */
  readonly sourceDateEpoch: number | undefined;
}

/** Puts layers of containerd's content store into directories, and makes layers of directories. Rejects with ShaleErrors. */
export interface Differ extends AsyncDisposable {
  /**
   * Applies the blob to what the mounts show. The uncompressed layer's descriptor: its digest is the diffID. The blob's own digest and
   * size were compared; if they differ (`corrupt`), what was written must not be committed.
   */
  apply(layer: BlobDescriptor, mounts: readonly Mount[], options: ApplyOptions): Promise<BlobDescriptor>;
  /** Makes a layer of what `newer` has changed against `older`, and puts it into the content store. */
  diff(older: readonly Mount[], newer: readonly Mount[], options: DiffOptions): Promise<BlobDescriptor>;
}
