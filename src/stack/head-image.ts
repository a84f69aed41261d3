import type { FileData } from '../erofs/data.ts';
import { writeErofs } from '../erofs/image-writer.ts';
import type { Warnings } from '../error/index.ts';
import type { Content } from '../merge/index.ts';
import { Extraction } from '../render/ingest/extraction.ts';
import type { FileInode, Tree } from '../tree/index.ts';
import { copyContent, type StoredContent } from './content-copy.ts';
import { ImageOutput } from './image-output.ts';
import { blockBytes, firstContent } from './layer-image.ts';

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
  const places = new Map<string, FileData>();
  let end: number;
  {
    using extraction = new Extraction({ path, start: firstContent, blockBytes });
    for (const content of contents) places.set(keyOf(content), copyContent(find(content), extraction));
    end = extraction.end;
  }
  const dataOf = ({ content }: FileInode<Content>) => places.get(keyOf(content))!;
  using output = new ImageOutput(path, end);
  return output.finish(writeErofs(output, tree, { blockSize: blockBytes, identity, dataOf, warnings }));
}

function keyOf({ layer, entry }: Content): string {
  return `${layer}/${entry}`;
}
