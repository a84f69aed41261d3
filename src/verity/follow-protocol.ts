import type { PortableError } from '../error/index.ts';
import type { ByteRange, FollowedFiles } from './followed-data.ts';

/** What the thread of a follower is started with. */
export interface FollowThreadData {
  readonly files: FollowedFiles;
}

/** What it is told; positions are in bytes. Only `finish` and `digest` are answered. */
export type FollowRequest =
  | { readonly kind: 'advance'; readonly position: number }
  | { readonly kind: 'take-back'; readonly position: number }
  | { readonly kind: 'finish'; readonly size: number; readonly rewritten: readonly ByteRange[] }
  | { readonly kind: 'digest'; readonly size: number };

/**
 * The digests of the lowest level's blocks, or that of the whole file in hex; or a failure, which may come at any time and is the
 * last word.
 */
export type FollowReply =
  | { readonly folded: Uint8Array }
  | { readonly digest: string }
  | { readonly error: PortableError };
