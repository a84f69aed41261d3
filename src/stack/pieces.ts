import { type FileData, hole } from '../erofs/index.ts';
import { ShaleError } from '../error/index.ts';
import type { LayerFile } from '../layer/index.ts';
import type { Piece } from './head-image.ts';

/** A file of a layer's image. */
export function* piecesInImage({ size }: LayerFile, data: FileData): Generator<Piece> {
  if (data.kind === 'chunked') {
    const { starts, chunkBytes } = data;
    for (let chunk = 0; chunk < starts.length; chunk++) {
      yield { start: starts[chunk]!, length: Math.min(chunkBytes, size - chunk * chunkBytes) };
    }
  } else if (data.kind === 'plain') {
    yield { start: data.start, length: size };
  } else {
    throw new ShaleError('internal', `a layer's content is stored as ${data.kind}`);
  }
}

/** A file of a layer's tar. */
export function* piecesInTar({ size, offset, segments }: LayerFile): Generator<Piece> {
  if (offset === undefined) throw new ShaleError('internal', 'nothing says where in its tar a file lies');
  let [start, position] = [offset, 0];
  for (const segment of segments ?? [{ offset: 0, length: size }]) {
    if (segment.offset > position) yield { start: hole, length: segment.offset - position };
    yield { start, length: segment.length };
    start += segment.length;
    position = segment.offset + segment.length;
  }
  if (position < size) yield { start: hole, length: size - position };
}
