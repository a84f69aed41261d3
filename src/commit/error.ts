import { ShaleError } from '../error/index.ts';

/** An image that cannot be made of another one and a layer. */
export class CommitError extends ShaleError {}
