import type { Image, ImageLayer } from '../archive/index.ts';
import type { Digest, Manifest, Platform } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import type { BrokenOff } from './downloads.ts';

/**
 * When the registry is asked, as Kubernetes' imagePullPolicy has it. `always`: for the digest, each time, and what of
 * that is missing is fetched. `if-not-present`: when the cache has no image of the name. `never`: not at all.
 */
export const pullPolicies = ['always', 'if-not-present', 'never'] as const;
export type PullPolicy = (typeof pullPolicies)[number];

export interface PullOptions {
  readonly store: Store;
  /** Called when the registry is needed, once. */
  readonly connect: () => Promise<RegistryClient>;
  readonly policy: PullPolicy;
  /** What the user asked for. */
  readonly platform?: Platform | undefined;
  /** What to choose for when the user said nothing. */
  readonly host: Platform;
  /** Requests at the same time. */
  readonly connections?: number | undefined;
  readonly retries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of a layer's blob that are there, in the cache or on their way into it. */
  readonly onReceived?: ((layer: number, received: number) => void) | undefined;
  readonly onRetry?: ((event: BrokenOff) => void) | undefined;
}

/** A layer that is in the cache, or comes into it when it is read. */
export interface PulledLayer extends ImageLayer {
  readonly digest: Digest;
  /** Whether the whole blob was in the cache when the image was opened. */
  readonly cached: boolean;
}

/** An image by its reference. Its documents are in the store and verified; dispose it in any case. */
export interface PulledImage extends Image {
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  readonly layers: readonly PulledLayer[];
  /** What the reference stands for: an index, or the manifest itself. */
  readonly target: Digest;
  /** Whether the cache knows it under this name already, whole. */
  readonly upToDate: boolean;
  /** Aborted with the error when a blob cannot be had: whoever reads layers must listen to it. */
  readonly signal: AbortSignal;
  /** Bytes that were fetched from the registry so far, documents not counted. */
  readonly fetched: number;
  /** Fetches and verifies the layers that nobody has read. */
  fetchAll(): Promise<void>;
  /** All layers were verified: makes them durable and names the image in the cache. */
  keep(): Promise<void>;
  /**
   * A layer's content was wrong, that of `blob` if it is known: drops what is damaged of those that are not verified. What
   * is on its way of others stays. True if trying again may help.
   */
  discard(blob?: unknown): Promise<boolean>;
}
