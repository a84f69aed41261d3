import { ShaleError } from '../../error/index.ts';

/** Changes that make no layer. */
export class DiffError extends ShaleError {}
