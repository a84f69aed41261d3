import { ShaleError } from '../error/index.ts';

/** Content is not what its descriptor says, or not there. */
export class ContentError extends ShaleError {}
