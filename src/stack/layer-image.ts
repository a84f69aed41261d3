import type { ChunkedData, PlainData } from '../erofs/data.ts';
import { FileLayout } from '../erofs/file-layout.ts';
import { writeErofs } from '../erofs/image-writer.ts';
import { headSize } from '../erofs/superblock-writer.ts';
import type { Warnings } from '../error/index.ts';
import type { LayerEntry } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Digest } from '../oci/index.ts';
import type { FileInode, Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';

/** The block size of layer images, in bytes: the page size of every machine that mounts them. */
export const blockBytes = 4096;

/** Where the first content of a layer image lies. */
export const firstContent = headSize({ blockSize: blockBytes });

/**
 * Where the contents of a layer lie in its image. Every file of the layer has its place, in stream order, whether or not a later
 * record of the layer takes its name: so whoever has the index knows where a content is, without having the image.
 */
export class LayerContents {
  readonly #starts: Float64Array;
  /** Of sparse files. */
  readonly #chunked = new Map<number, ChunkedData>();
  /** Where they end, in bytes. */
  readonly end: number;

  constructor(entries: readonly LayerEntry[]) {
    const layout = new FileLayout(blockBytes, firstContent);
    this.#starts = new Float64Array(entries.length);
    for (let position = 0; position < entries.length; position++) {
      const entry = entries[position]!;
      if (entry.type !== 'file') continue;
      this.#starts[position] = layout.end;
      const data = layout.place(entry.size, entry.segments);
      if (data.kind === 'chunked') this.#chunked.set(position, data);
    }
    this.end = layout.end;
  }

  /** Of the file at this position of the index; it is not empty. */
  of(position: number): PlainData | ChunkedData {
    return this.#chunked.get(position) ?? { kind: 'plain', start: this.#starts[position]! };
  }
}

export interface LayerImageOptions {
  /** Of a file with the layer's contents in their places, as an ingest thread extracts them. */
  readonly path: string;
  readonly diffId: Digest;
  readonly entries: readonly LayerEntry[];
  /** The layer as OverlayFS sees it (`projectLayer`); its contents are of this layer. */
  readonly tree: Tree<Content>;
  readonly warnings: Warnings;
}

/** Makes a filesystem of the contents in a file. Returns its size in bytes; it is not synced. */
export function writeLayerImage({ path, diffId, entries, tree, warnings }: LayerImageOptions): number {
  const contents = new LayerContents(entries);
  using output = new ImageOutput(path, contents.end);
  const dataOf = ({ content }: FileInode<Content>) => contents.of(content.entry);
  const identity = Buffer.from(diffId);
  return output.finish(writeErofs(output, tree, { blockSize: blockBytes, identity, dataOf, warnings }));
}
