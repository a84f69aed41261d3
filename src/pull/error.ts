import { ShaleError } from '../error/index.ts';

/** An image cannot be pulled, or is not where the policy allows to look for it. */
export class PullError extends ShaleError {}
