import { ShaleError } from '../error/index.ts';

/** A step did not go as it says, or this machine cannot show it. */
export class LabError extends ShaleError {}
