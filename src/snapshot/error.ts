import { ShaleError } from '../error/index.ts';

/** What a snapshotter refuses, or fails at: codes as containerd's (errdefs), under Shale's names. */
export class SnapshotError extends ShaleError {}
