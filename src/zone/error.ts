import { ShaleError } from '../error/index.ts';

/** What goes wrong with a zone: it does not come up, its guest breaks the protocol, it is not there. */
export class ZoneError extends ShaleError {}
