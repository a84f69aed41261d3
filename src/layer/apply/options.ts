import type { Warnings } from '../../error/index.ts';
import type { Timestamp } from '../../tree/index.ts';
import type { WhiteoutForm } from '../form.ts';
import type { LayerLimits } from '../limits.ts';

/**
 * What the layers below hold, for a target that does not hold them itself: nothing, a directory that shows them merged and is
 * only read, or something that is not known yet. A `plain` target holds them; of it `nothing` says that it does not either.
 */
export type Below = 'nothing' | 'unknown' | { readonly path: string };

export interface ApplyTarget {
  /** A directory that nobody else changes meanwhile. */
  readonly path: string;
  readonly form: WhiteoutForm;
}

export interface ApplyOptions {
  /** `unknown` if absent. */
  readonly below?: Below | undefined;
  /** The image's, for directories that no entry describes and nothing below either; the epoch if absent. */
  readonly created?: Timestamp | undefined;
  /** Counted from the oldest, 0 first, for messages; 0 if absent. */
  readonly layer?: number | undefined;
  readonly limits?: Partial<LayerLimits> | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AppliedLayer {
  readonly entries: number;
  /** Of all its files, holes expanded, in bytes. */
  readonly size: number;
}
