import { closeSync, openSync, readSync } from 'node:fs';
import { type FileData, hole } from '../erofs/data.ts';
import { ShaleError, wrapErrno } from '../error/index.ts';
import type { LayerFile } from '../layer/index.ts';
import type { Extraction } from '../render/ingest/extraction.ts';
import type { Piece } from './pieces.ts';

/** A content of a layer, and where it is found. */
export interface StoredContent {
  /** Of the layer's image, or of its tar. */
  readonly path: string;
  readonly file: LayerFile;
  /** All of the file, from front to back. */
  readonly pieces: Iterable<Piece>;
}

/** What is read at once, in bytes. */
const mostBytes = 1024 * 1024;

/** Gives a content the next place of an extraction; returns where that is. `corrupt` if its layer's file ends before it. */
export function copyContent({ path, file, pieces }: StoredContent, extraction: Extraction): FileData {
  const data = extraction.begin(file.size, file.segments);
  const buffer = Buffer.allocUnsafe(Math.min(mostBytes, file.size));
  const source = open(path);
  try {
    for (const { start, length } of pieces) {
      if (start === hole) extraction.hole(length);
      for (let at = 0; start !== hole && at < length; ) {
        const count = readSync(source, buffer, 0, Math.min(buffer.length, length - at), start + at);
        if (count === 0) throw new ShaleError('corrupt', `${path} is shorter than its layer says`);
        extraction.data(buffer.subarray(0, count));
        extraction.flush();
        at += count;
      }
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  } finally {
    closeSync(source);
  }
  return data;
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw wrapErrno(error, `cannot open ${path}`);
  }
}
