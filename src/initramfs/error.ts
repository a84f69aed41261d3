import { ShaleError } from '../error/index.ts';

/** What a first root cannot hold. */
export class InitramfsError extends ShaleError {}
