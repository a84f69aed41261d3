import { emptyFile, type FileData, headSize, hole, singleChunk, writeErofs } from '../erofs/index.ts';
import type { Warnings } from '../error/index.ts';
import type { LayerEntry } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Digest } from '../oci/index.ts';
import { type FileInode, mapContent, type Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';
import { blockBytes, type LayerContents, locateContents } from './layer-image.ts';
import { layerName } from './layer-name.ts';
import { findUsedLayers } from './used-layers.ts';

export interface MergedLayer {
  readonly diffId: Digest;
  readonly entries: readonly LayerEntry[];
}

export interface MergedImageOptions {
  /** Of an empty file. */
  readonly path: string;
  /** Oldest first. */
  readonly layers: readonly MergedLayer[];
  /** The merge of the layers. */
  readonly tree: Tree<Content>;
  /** What stands for the contents of all layers together: part of the UUID. */
  readonly identity: Uint8Array;
  readonly warnings: Warnings;
}

/**
 * Writes a filesystem of metadata alone, whose files lie in the layers' images: those that `findUsedLayers` names are its extra
 * devices, in that order, and their tags name them by diffID. All follows from the layers' indexes: no layer image is read,
 * none has to be there. Returns the size in bytes; the file is not synced.
 */
export function writeMergedImage({ path, layers, tree, identity, warnings }: MergedImageOptions): number {
  const used = findUsedLayers(tree, layers.length);
  const numbers = new Map(used.map((layer, index) => [layer, index + 1]));
  const contents = new Map(used.map(layer => [layer, locateContents(layers[layer]!.entries)]));
  const devices = used.map(layer => ({
    tag: layerName(layers[layer]!.diffId),
    bytes: contents.get(layer)!.end,
  }));
  const image = mapContent(tree, file =>
    file.size === 0 ? emptyFile : pointTo(file, contents, numbers.get(file.content.layer)!),
  );
  const options = { blockSize: blockBytes, identity, devices, warnings } as const;
  using output = new ImageOutput(path, headSize(options));
  return output.finish(writeErofs(output, image, options));
}

/** The same bytes, seen from another image. */
function pointTo(
  { size, content }: FileInode<Content>,
  contents: ReadonlyMap<number, LayerContents>,
  device: number,
): FileData {
  const data = contents.get(content.layer)!.data[content.entry]!;
  if (data.kind === 'plain') {
    const chunkBytes = singleChunk(size, blockBytes);
    return { kind: 'chunked', chunkBytes, starts: [data.start], devices: [device] };
  }
  const { chunkBytes, starts } = data as Extract<FileData, { kind: 'chunked' }>;
  return {
    kind: 'chunked',
    chunkBytes,
    starts,
    devices: Uint16Array.from(starts, start => (start === hole ? 0 : device)),
  };
}
