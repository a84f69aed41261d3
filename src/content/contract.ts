import type { Descriptor, Digest, Index, Manifest } from '../oci/index.ts';

/** Content in chunks of any size; those of 64 KiB to 1 MiB are fastest. */
export type Bytes = AsyncIterable<Uint8Array>;

export interface ContentOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Where a copy comes from. Nothing that it gives is trusted: `copy` verifies all of it. */
export interface Fetcher {
  /** For messages: `oci:DIR`, `docker.io/library/nginx`. */
  readonly place: string;
  /** A manifest or an index, whole. ShaleError `not-found` if it is not there. */
  readManifest(descriptor: Descriptor, options: ContentOptions): Promise<Uint8Array>;
  /** The blob's bytes from `offset` on, as often as asked. One that is not there fails with `not-found` while it is read. */
  openBlob(descriptor: Descriptor, offset: number, options: ContentOptions): Bytes;
  hasBlob(descriptor: Descriptor, options: ContentOptions): Promise<boolean>;
  /** Manifests whose `subject` is this one; absent where nothing is known of them. */
  findReferrers?(subject: Digest, options: ContentOptions): Promise<readonly Descriptor[]>;
}

/** How content came to be at the target; `mounted` is from another repository of the same registry. */
export type Transferred = 'pushed' | 'mounted' | 'exists';

export interface PushOptions extends ContentOptions {
  /** Bytes that have been taken so far; may go back when something is sent again. */
  readonly onProgress?: ((taken: number) => void) | undefined;
}

/** Where a copy goes. Once a promise is fulfilled, the content is there in full. */
export interface Pusher {
  readonly place: string;
  /** Told before the first push what is to come. Refuse here what the target cannot hold. */
  begin?(graph: Graph, options: ContentOptions): Promise<void>;
  /**
   * `open` gives the content from an offset on, verified: it fails before its last chunk if anything is wrong. It may be
   * called again, to send something once more.
   */
  pushBlob(
    descriptor: Descriptor,
    open: (offset: number) => Bytes,
    options: PushOptions,
  ): Promise<Transferred>;
  /** Comes after everything that the manifest names; the graph's root comes last. */
  pushManifest(manifest: GraphManifest, options: ContentOptions): Promise<Transferred>;
}

export interface GraphManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly content: Manifest | Index;
}

/** All that one manifest or index leads to, each digest once. */
export interface Graph {
  readonly root: GraphManifest;
  /** Whatever a manifest names comes before it; the root is the last. */
  readonly manifests: readonly GraphManifest[];
  /** Configs, layers, and whatever else is named. */
  readonly blobs: readonly Descriptor[];
  /** Layers that may not be distributed, and that the source does not have: manifests name them all the same. */
  readonly leftOut: readonly Descriptor[];
  /** Of the manifests: those that nothing in the graph names, but whose subject is in it. */
  readonly referrers: readonly Descriptor[];
}
