import { emptyFile, type FileData, headSize, hole, singleChunk, writeErofs } from '../erofs/index.ts';
import type { Warnings } from '../error/index.ts';
import type { LayerEntry } from '../layer/index.ts';
import type { Content } from '../merge/index.ts';
import type { Digest } from '../oci/index.ts';
import { type FileInode, mapContent, type Tree } from '../tree/index.ts';
import { ImageOutput } from './image-output.ts';
import { blockBytes, type LayerContents, locateContents } from './layer-image.ts';
import { layerName } from './layer-name.ts';

export interface MergedLayer {
  readonly diffId: Digest;
  readonly entries: readonly LayerEntry[];
}

export interface MergedImageOptions {
  /** Of an empty file. */
  readonly path: string;
  /** What stands for the contents of all layers together: part of the UUID. */
  readonly identity: Uint8Array;
  readonly warnings: Warnings;
}

/** A filesystem of metadata alone, whose files lie in the layers' images: these are its extra devices. */
export interface MergedPlan {
  /** The layers that are the devices 1, 2, …: those of which the tree has contents, oldest first. */
  readonly devices: readonly Digest[];
  /** Writes it; returns its size in bytes. */
  write(options: MergedImageOptions): number;
}

/**
 * Plans the merged image of layers (oldest first), whose merge is `tree`. Devices' tags name the layers by diffID. All follows
 * from the layers' indexes: no layer image is read, none has to be there.
 */
export function planMergedImage(layers: readonly MergedLayer[], tree: Tree<Content>): MergedPlan {
  const used = findUsedLayers(tree, layers.length);
  return {
    devices: used.map(layer => layers[layer]!.diffId),
    write({ path, identity, warnings }) {
      const contents = new Map(used.map(layer => [layer, locateContents(layers[layer]!.entries)]));
      const devices = used.map(layer => ({
        tag: layerName(layers[layer]!.diffId),
        bytes: contents.get(layer)!.end,
      }));
      const numbers = new Map(used.map((layer, index) => [layer, index + 1]));
      const image = mapContent(tree, file =>
        file.size === 0 ? emptyFile : pointTo(file, contents, numbers.get(file.content.layer)!),
      );
      const options = { blockSize: blockBytes, identity, devices, warnings } as const;
      using output = new ImageOutput(path, headSize(options));
      return output.finish(writeErofs(output, image, options));
    },
  };
}

/** Layers of which the tree has contents, ascending. */
function findUsedLayers(tree: Tree<Content>, count: number): number[] {
  const used = new Array<boolean>(count).fill(false);
  for (const { inode } of tree.nodes) {
    if (inode.type === 'file' && inode.size > 0) used[inode.content.layer] = true;
  }
  return [...used.keys()].filter(layer => used[layer]);
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
