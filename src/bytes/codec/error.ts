import { type ErrorOptions, ShaleError } from '../../error/index.ts';

/** A compressed stream or block that cannot be read, or a codec that cannot be had. */
export class CodecError extends ShaleError {}

/** The most common failure: the bytes are not what the format allows. `what` names the format and the place. */
export function corrupt(what: string, options: ErrorOptions = {}): CodecError {
  return new CodecError('corrupt', what, {
    hint: 'the data was damaged or cut; fetch it again',
    ...options,
  });
}
