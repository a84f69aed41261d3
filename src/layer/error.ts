import { type Detail, type ErrorCode, ShaleError } from '../error/index.ts';
import { type ByteString, printable } from '../tree/index.ts';

/** A layer that breaks the merge contract (`invalid`), a limit (`exhausted`) or its stored index (`corrupt`). */
export class LayerError extends ShaleError {}

/** Says where, for messages: the layer, then the path as printable text. */
export function formatPlace(layer: number, path: ByteString): string {
  return `layer ${layer} (counted from the oldest, 0 first): ${path === '' ? '/' : printable(path)}`;
}

/** The error of a layer's entry that the contract rejects. */
export function createRejection(
  layer: number,
  path: ByteString,
  why: string,
  options: { code?: ErrorCode; hint?: string; detail?: Detail } = {},
): LayerError {
  const { code = 'invalid', hint, detail } = options;
  return new LayerError(code, `${formatPlace(layer, path)}: ${why}`, {
    detail: { ...detail, layer, path: printable(path) },
    ...(hint === undefined ? {} : { hint }),
  });
}
