import { closeSync, openSync, readSync } from 'node:fs';
import { type FileData, hole } from '../erofs/data.ts';
import { FileLayout } from '../erofs/file-layout.ts';
import { writeErofs } from '../erofs/image-writer.ts';
import { ShaleError, type Warnings, wrapErrno } from '../error/index.ts';
import type { LayerFile } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import { Extraction } from '../render/ingest/extraction.ts';
import type { FileInode, Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';
import { blockBytes, firstContent } from './layer-image.ts';

/** A stretch of a file: from where in what holds its layer, or `hole`. */
export interface Piece {
  readonly start: number;
  readonly length: number;
}

/** Where the head finds a content of a layer. */
export interface StoredContent {
  /** Of the layer's image, or of its tar. */
  readonly path: string;
  readonly file: LayerFile;
  /** All of the file, from front to back. */
  readonly pieces: Iterable<Piece>;
}

export interface HeadImageOptions {
  /** Of an empty file. */
  readonly path: string;
  /** What stands above all layers (`createHead`). */
  readonly tree: Tree<Content>;
  /** The contents that it needs, each once. */
  readonly contents: readonly Content[];
  readonly find: (content: Content) => StoredContent;
  readonly identity: Uint8Array;
  readonly warnings: Warnings;
}

/** Writes the uppermost image of a stack, which says what the layers together cannot. Returns its size in bytes. */
export function writeHeadImage(options: HeadImageOptions): number {
  const { path, tree, contents, find, identity, warnings } = options;
  const layout = new FileLayout(blockBytes, firstContent);
  const places = new Map<string, FileData>();
  {
    using extraction = new Extraction({ path, start: firstContent, blockBytes });
    for (const content of contents) {
      const { path: source, file, pieces } = find(content);
      places.set(keyOf(content), layout.place(file.size, file.segments));
      extraction.begin(file.size, file.segments);
      copyContent(source, pieces, extraction);
    }
  }
  const dataOf = ({ content }: FileInode<Content>) => places.get(keyOf(content))!;
  using output = new ImageOutput(path, layout.end);
  return output.finish(writeErofs(output, tree, { blockSize: blockBytes, identity, dataOf, warnings }));
}

function keyOf({ layer, entry }: Content): string {
  return `${layer}/${entry}`;
}

const copyBytes = 1024 * 1024;

function copyContent(path: string, pieces: Iterable<Piece>, extraction: Extraction): void {
  const buffer = Buffer.allocUnsafe(copyBytes);
  const file = openSync(path, 'r');
  try {
    for (const { start, length } of pieces) {
      if (start === hole) extraction.hole(length);
      for (let at = 0; start !== hole && at < length; ) {
        const count = readSync(file, buffer, 0, Math.min(buffer.length, length - at), start + at);
        if (count === 0) throw new ShaleError('corrupt', `${path} is shorter than its layer says`);
        extraction.data(buffer.subarray(0, count));
        extraction.flush();
        at += count;
      }
    }
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  } finally {
    closeSync(file);
  }
}
