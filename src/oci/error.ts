import { ShaleError } from '../error/index.ts';

/** A document, digest, platform or reference is not what its specification allows. */
export class OciError extends ShaleError {}
