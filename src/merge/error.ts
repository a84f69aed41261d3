import { ShaleError } from '../error/index.ts';
import { formatPlace } from '../layer/index.ts';
import { type ByteString, printable } from '../tree/index.ts';

/** A layer that cannot be applied onto those below it: `invalid`, or `exhausted` by its depth. */
export class MergeError extends ShaleError {}

export function createMergeError(layer: number, path: ByteString, why: string): MergeError {
  return new MergeError('invalid', `${formatPlace(layer, path)}: ${why}`, {
    detail: { layer, path: printable(path) },
  });
}
