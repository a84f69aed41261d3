import { ShaleError } from '../../error/index.ts';

/** A disk for a zone that cannot be made, is not what it should be, or is in use. */
export class DiskError extends ShaleError {}
