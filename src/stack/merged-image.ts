import { type ChunkedData, hole, type PlainData } from '../erofs/data.ts';
import { singleChunk } from '../erofs/file-layout.ts';
import { writeErofs } from '../erofs/image-writer.ts';
import { headSize } from '../erofs/superblock-writer.ts';
import type { Warnings } from '../error/index.ts';
import type { LayerEntry } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Digest } from '../oci/index.ts';
import type { FileInode, Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';
import { blockBytes, LayerContents } from './layer-image.ts';
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
  const contents = new Map(used.map(layer => [layer, new LayerContents(layers[layer]!.entries)]));
  const devices = used.map(layer => ({
    tag: layerName(layers[layer]!.diffId),
    bytes: contents.get(layer)!.end,
  }));
  const dataOf = ({ size, content: { layer, entry } }: FileInode<Content>) =>
    pointTo(contents.get(layer)!.of(entry), size, numbers.get(layer)!);
  const options = { blockSize: blockBytes, identity, devices, dataOf, warnings } as const;
  using output = new ImageOutput(path, headSize(options));
  return output.finish(writeErofs(output, tree, options));
}

/** The same bytes, seen from another image. */
function pointTo(data: PlainData | ChunkedData, size: number, device: number): ChunkedData {
  if (data.kind === 'plain') {
    const chunkBytes = singleChunk(size, blockBytes);
    return { kind: 'chunked', chunkBytes, starts: [data.start], devices: [device] };
  }
  const devices = Uint16Array.from(data.starts, start => (start === hole ? 0 : device));
  return { ...data, devices };
}
