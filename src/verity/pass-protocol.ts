import type { PortableError } from '../error/index.ts';
import type { Pass } from './pass.ts';

/** What a thread of a pass is started with. */
export interface PassThreadData {
  readonly pass: Pass;
  readonly salt: Uint8Array;
  /** One word: the step that nobody has taken yet. Steps are taken in order. */
  readonly next: Int32Array;
}

/** What it says when it has nothing more to do. */
export type PassReply = { readonly wrong: number | undefined } | { readonly error: PortableError };
