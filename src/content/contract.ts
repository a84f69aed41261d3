import type { Descriptor } from '../oci/index.ts';

/** Content in chunks of any size; those of 64 KiB to 1 MiB are fastest. */
export type Bytes = AsyncIterable<Uint8Array>;

export interface ContentOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Gives the content that a descriptor names. Not verified: callers pass it through `verified`. */
export interface Fetcher {
  fetch(descriptor: Descriptor, options?: ContentOptions): Bytes;
}

/** Takes content. Once the promise is fulfilled the blob is there; it may have been there before. */
export interface Pusher {
  push(descriptor: Descriptor, content: Bytes, options?: ContentOptions): Promise<void>;
}

/** Finds what a name stands for; ShaleError `not-found` if it stands for nothing. */
export interface Resolver {
  resolve(name: string, options?: ContentOptions): Promise<Descriptor>;
}
