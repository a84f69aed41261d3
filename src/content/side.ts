import { ShaleError } from '../error/index.ts';
import type { Bytes } from './contract.ts';
import { ContentError } from './error.ts';

/** Which end of a copy failed. */
export type Side = 'source' | 'target';

/** The failure, saying at which end it happened; code, hint and detail stay. An abort is of no end. */
export function blame(error: unknown, side: Side, place: string): unknown {
  if (!(error instanceof ShaleError) || error.code === 'cancelled' || error.detail.side !== undefined) {
    return error;
  }
  const doing = side === 'source' ? 'cannot read the source' : 'cannot write the target';
  return new ContentError(error.code, `${doing} ${place}: ${error.message}`, {
    cause: error,
    detail: { ...error.detail, side, place },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** Does `work`, and blames that side if it fails. */
export async function blaming<T>(side: Side, place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw blame(error, side, place);
  }
}

/** The same for a stream; `onFailure` is told as well, for whoever reads the stream may hide the reason. */
export async function* blamingStream(
  side: Side,
  place: string,
  content: Bytes,
  onFailure: (error: unknown) => void,
): Bytes {
  try {
    yield* content;
  } catch (error) {
    const blamed = blame(error, side, place);
    onFailure(blamed);
    throw blamed;
  }
}
