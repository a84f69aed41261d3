import { type FileData, headSize, writeErofs } from '../../erofs/index.ts';
import type { Warnings } from '../../error/index.ts';
import { type LayerEntry, type LayerFile, storedBytes } from '../../layer/index.ts';
import type { Content } from '../../merge/index.ts';
import type { Digest } from '../../oci/index.ts';
import { Extraction } from '../../render/ingest/extraction.ts';
import type { FileInode, Tree } from '../../tree/index.ts';
import { copyContent } from '../content-copy.ts';
import { ImageOutput } from '../image-output.ts';
import { layerName } from '../layer-name.ts';
import { offsetInTar, piecesInTar } from '../pieces.ts';
import { findUsedLayers } from '../used-layers.ts';
import { tarBlockBytes, tarChunks } from './tar-chunks.ts';

/** A layer whose uncompressed tar is on disk, in whole blocks of 512 bytes (`TeeTarget.blockBytes`). */
export interface TarLayer {
  readonly diffId: Digest;
  readonly entries: readonly LayerEntry[];
  /** Bytes of the tar, without what fills its last block. */
  readonly size: number;
  /** The tar's file. It is read only for what cannot be pointed at: for most layers it need not be there. */
  readonly tar: string;
}

export interface TarIndex {
  /** In bytes. */
  readonly size: number;
  /** Bytes of content that the image has itself, because they are not made of blocks in the tar. */
  readonly copied: number;
}

interface Options {
  /** Of an empty file. It is not synced. */
  readonly path: string;
  readonly warnings: Warnings;
}

export interface LayerTarIndexOptions extends Options {
  readonly layer: TarLayer;
  /** The layer as OverlayFS sees it (`projectLayer`); its contents are of this layer. */
  readonly tree: Tree<Content>;
}

export interface MergedTarIndexOptions extends Options {
  /** Oldest first. */
  readonly layers: readonly TarLayer[];
  /** The merge of the layers. */
  readonly tree: Tree<Content>;
  /** What stands for the contents of all layers together: part of the UUID. */
  readonly identity: Uint8Array;
}

/** Writes a filesystem whose files lie in the layer's tar. That is its one extra device, even if no file has a byte. */
export function writeLayerTarIndex({ layer, ...options }: LayerTarIndexOptions): TarIndex {
  const numbers = { get: () => 1 };
  return write({ ...options, devices: [layer], numbers, identity: Buffer.from(layer.diffId) });
}

/** Writes one filesystem whose files lie in the tars of the layers that `findUsedLayers` names, its extra devices, in that order. */
export function writeMergedTarIndex({ layers, ...options }: MergedTarIndexOptions): TarIndex {
  const used = findUsedLayers(options.tree, layers.length);
  const numbers = new Map(used.map((layer, index) => [layer, index + 1]));
  return write({ ...options, devices: used.map(layer => layers[layer]!), numbers });
}

interface Writing extends Omit<MergedTarIndexOptions, 'layers'> {
  readonly devices: readonly TarLayer[];
  /** The device of each layer, from 1. */
  readonly numbers: { get(layer: number): number | undefined };
}

function write({ path, tree, devices, numbers, identity, warnings }: Writing): TarIndex {
  const slots = devices.map(({ diffId, size }) => ({ tag: layerName(diffId), bytes: size }));
  const options = { blockSize: tarBlockBytes, identity, devices: slots, warnings } as const;
  const places = new Map<FileInode<Content>, FileData>();
  let [copied, end] = [0, 0];
  {
    using copies = new Extraction({ path, start: headSize(options), blockBytes: tarBlockBytes });
    for (const { inode } of tree.nodes) {
      if (inode.type !== 'file' || inode.size === 0) continue;
      const device = numbers.get(inode.content.layer)!;
      const { entries, tar } = devices[device - 1]!;
      const file = entries[inode.content.entry] as LayerFile;
      const chunks = tarChunks(file, offsetInTar(file));
      if (chunks === undefined) {
        places.set(inode, copyContent({ path: tar, file, pieces: piecesInTar(file) }, copies));
        copied += storedBytes(file.size, file.segments);
      } else places.set(inode, { ...chunks, devices: new Uint16Array(chunks.starts.length).fill(device) });
    }
    end = copies.end;
  }
  const dataOf = (file: FileInode<Content>) => places.get(file)!;
  using output = new ImageOutput(path, end);
  return { size: output.finish(writeErofs(output, tree, { ...options, dataOf })), copied };
}
