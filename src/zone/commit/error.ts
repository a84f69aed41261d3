import { ShaleError } from '../../error/index.ts';

/** Changes of a zone that make no layer, or an image that cannot be made of them. */
export class CommitError extends ShaleError {}
