import { ShaleError } from '../error/index.ts';

/** A kernel that cannot be had, read or used. */
export class KernelError extends ShaleError {}
