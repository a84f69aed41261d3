import { ShaleError } from '../error/index.ts';

/** What the daemon refuses (a request that makes no sense), cannot start for, or gets from containerd. */
export class DaemonError extends ShaleError {}
