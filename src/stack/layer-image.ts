import { emptyFile, type FileData, FileLayout, headSize, writeErofs } from '../erofs/index.ts';
import type { Warnings } from '../error/index.ts';
import type { LayerEntry } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Digest } from '../oci/index.ts';
import { mapContent, type Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';

/** The block size of layer images, in bytes: the page size of every machine that mounts them. */
export const blockBytes = 4096;

/** Where the first content of a layer image lies. */
export const firstContent = headSize({ blockSize: blockBytes });

/** Where the contents of a layer lie in its image: a function of the layer's index. */
export interface LayerContents {
  /** By position in the index; of files only. */
  readonly data: readonly (FileData | undefined)[];
  /** Where they end, in bytes. */
  readonly end: number;
}

/**
 * Every file of the layer has its place, in stream order, whether or not a later record of the layer takes its name: so
 * whoever has the index knows where a content is, without having the image.
 */
export function locateContents(entries: readonly LayerEntry[]): LayerContents {
  const layout = new FileLayout(blockBytes, firstContent);
  const data = entries.map(entry =>
    entry.type === 'file' ? layout.place(entry.size, entry.segments) : undefined,
  );
  return { data, end: layout.end };
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
  const { data, end } = locateContents(entries);
  using output = new ImageOutput(path, end);
  const image = mapContent(tree, file => (file.size === 0 ? emptyFile : data[file.content.entry]!));
  const identity = Buffer.from(diffId);
  return output.finish(writeErofs(output, image, { blockSize: blockBytes, identity, warnings }));
}
