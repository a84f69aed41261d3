import { ShaleError } from '../error/index.ts';

/**
 * What is wrong with an archive, or with an entry that shall become part of one. From the parser, `detail` has
 * `offset` (of the header block concerned, in bytes of the uncompressed archive), `path` where it is known, and for
 * code `exhausted` also `limit` and `flag`.
 */
export class TarError extends ShaleError {}
