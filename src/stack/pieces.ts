import { type ChunkedData, hole, type PlainData } from '../erofs/data.ts';
import { ShaleError } from '../error/index.ts';
import type { LayerFile } from '../layer/index.ts';
import { printable } from '../tree/index.ts';

/** A stretch of a file: from where in what holds its layer, or `hole`. */
export interface Piece {
  readonly start: number;
  readonly length: number;
}

/** A file of a layer's image. */
export function* piecesInImage({ size }: LayerFile, data: PlainData | ChunkedData): Generator<Piece> {
  if (data.kind === 'plain') {
    yield { start: data.start, length: size };
    return;
  }
  const { starts, chunkBytes } = data;
  for (let chunk = 0; chunk < starts.length; chunk++) {
    yield { start: starts[chunk]!, length: Math.min(chunkBytes, size - chunk * chunkBytes) };
  }
}

/** A file of a layer's tar. */
export function* piecesInTar(file: LayerFile): Generator<Piece> {
  const { size, segments } = file;
  let [start, position] = [offsetInTar(file), 0];
  for (const segment of segments ?? [{ offset: 0, length: size }]) {
    if (segment.offset > position) yield { start: hole, length: segment.offset - position };
    yield { start, length: segment.length };
    start += segment.length;
    position = segment.offset + segment.length;
  }
  if (position < size) yield { start: hole, length: size - position };
}

/** Where a file's data begins in its layer's tar, in bytes. */
export function offsetInTar({ offset, path }: LayerFile): number {
  if (offset !== undefined) return offset;
  throw new ShaleError('internal', `${printable(path)}: nothing says where in the layer's tar it lies`);
}
