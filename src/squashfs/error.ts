import { ShaleError } from '../error/index.ts';

/**
 * What is wrong with an image that is read (`corrupt`, `unsupported`, `not-found`, `exhausted`), or with a tree that
 * squashfs cannot hold (`unsupported`). `detail` has `table` and `offset`, or `path`, where they are known.
 */
export class SquashfsError extends ShaleError {}
