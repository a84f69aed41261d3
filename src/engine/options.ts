import type { Warning, WarningCode, Warnings } from '../error/index.ts';
import type { LayerLimits } from '../layer/index.ts';
import type { PullPolicy } from '../pull/index.ts';

/**
 * What is told while layers are fetched and read. Positions count from the oldest layer, 0; sizes are bytes of the blob
 * as stored. `cached` is absent where nothing is fetched at all.
 */
export type ProgressEvent =
  | {
      readonly type: 'image';
      readonly layers: readonly { readonly name: string; readonly size: number; readonly cached?: boolean }[];
    }
  /** Bytes of the layer's blob that have arrived. */
  | { readonly type: 'download'; readonly layer: number; readonly received: number; readonly size: number }
  /** Bytes of the layer's blob of which its reader is done. */
  | { readonly type: 'layer'; readonly layer: number; readonly read: number; readonly size: number }
  /** Bytes of a blob that the target of a copy has taken; `how` once it is there. */
  | {
      readonly type: 'blob';
      readonly digest: string;
      readonly done: number;
      readonly size: number;
      readonly how?: 'pushed' | 'copied' | 'mounted' | 'exists';
    }
  /** A request failed, and is made again after `delay` milliseconds. */
  | {
      readonly type: 'retry';
      readonly registry: string;
      readonly what: string;
      readonly attempt: number;
      readonly delay: number;
      readonly reason: string;
    }
  | { readonly type: 'finish' };

/** Where the cache is. */
export interface CacheOptions {
  /** A directory; SHALE_ROOT, or else /var/lib/shale for root and $XDG_DATA_HOME/shale for others. */
  readonly root?: string | undefined;
}

/** How registries are asked. */
export interface RegistryOptions {
  /** Credentials from here only. */
  readonly authFile?: string | undefined;
  /** `HOST[:PORT]`: their certificates are not verified, and plain HTTP will do. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** A directory of CAs (*.crt) and client certificates (*.cert, *.key). */
  readonly certDir?: string | undefined;
  /** How often a request that fails is made again. */
  readonly retries?: number | undefined;
}

/** Options of every operation on an image. */
export interface ImageOptions extends CacheOptions, RegistryOptions {
  /** `os/arch[/variant]`; the host's if absent. */
  readonly platform?: string | undefined;
  /** When the registry is asked; `if-not-present` if absent. */
  readonly policy?: PullPolicy | undefined;
  /** false: what is fetched is not kept, and what the cache has is not used. */
  readonly cache?: boolean | undefined;
  /** Threads that compress, and at most as many that read layers. */
  readonly jobs?: number | undefined;
  /** Bytes that the process should stay under, indexes not counted. */
  readonly memory?: number | undefined;
  readonly limits?: Partial<LayerLimits> | undefined;
  /** Turns every warning into an error. */
  readonly strict?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What an operation accepted with a warning. */
export interface WarningSummary {
  readonly counts: Readonly<Partial<Record<WarningCode, number>>>;
  /** The first of each code. */
  readonly examples: readonly Warning[];
}

export function summarise(warnings: Warnings): WarningSummary {
  return { counts: Object.fromEntries(warnings.counts), examples: warnings.examples };
}
