import { ShaleError } from '../error/index.ts';

/**
 * What is wrong with data, its hash tree or a superblock (`corrupt`), with what a tree cannot be made of (`invalid`), or
 * with a tree of a kind that is not ours (`unsupported`). Where one block is to blame, `detail` has `what` (`data`, `hash` or
 * `superblock`), `block`, its number in its file, and `offset`, where that begins, in bytes.
 */
export class VerityError extends ShaleError {}
