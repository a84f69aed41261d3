import { createHash } from 'node:crypto';
import type { FileData } from '../../../erofs/data.ts';
import { headSize, hole, singleChunk, type TreeData, writeErofs } from '../../../erofs/index.ts';
import type { Warnings } from '../../../error/index.ts';
import { ImageOutput } from '../../../stack/image-output.ts';
import { blockBytes } from '../../../stack/index.ts';
import type { FileInode } from '../../../tree/index.ts';
import { SnapshotError } from '../../error.ts';
import { type LayerContent, stackLayers } from '../image/index.ts';
import { create } from '../image/tar-layer.ts';

/**
 * Writes what layers (nearest first) show together as a filesystem of metadata alone: its files lie in the layers' files, of which those that have any are
 * its extra devices, tagged with the layers' ids. Linear in the layers' entries; no content is read. Not synced.
 */
export function writeMergedLayers(
  path: string,
  chain: readonly { readonly id: number; readonly path: string }[],
  warnings: Warnings,
): void {
  using stacked = stackLayers(chain.map(({ path }) => path));
  const { layers, tree } = stacked;
  const used = new Set<number>();
  for (const { inode } of tree.nodes) {
    if (inode.type === 'file' && inode.size > 0) used.add(inode.content.layer);
  }
  const positions = [...used].sort((a, b) => a - b);
  const numbers = new Map(positions.map((position, index) => [position, index + 1]));
  const devices = positions.map(position => ({
    tag: String(chain[position]!.id),
    bytes: layers[position]!.size,
  }));
  const identity = createHash('sha256');
  for (const { uuid } of layers) identity.update(uuid);
  const dataOf = ({ size, content }: FileInode<LayerContent>): FileData => {
    const { layer, file } = content;
    return pointTo(file.content, size, numbers.get(layer)!, chain[layer]!.path);
  };
  const options = { blockSize: blockBytes, devices, identity: identity.digest(), dataOf, warnings } as const;
  create(path);
  using output = new ImageOutput(path, headSize(options));
  output.finish(writeErofs(output, tree, options));
}

/** The same bytes, seen from another image. */
function pointTo(data: TreeData, size: number, device: number, path: string): FileData {
  if (data.kind === 'plain') {
    return {
      kind: 'chunked',
      chunkBytes: singleChunk(size, blockBytes),
      starts: [data.start],
      devices: [device],
    };
  }
  if (data.kind === 'chunked' && data.devices === undefined) {
    return { ...data, devices: Uint16Array.from(data.starts, start => (start === hole ? 0 : device)) };
  }
  throw new SnapshotError(
    'unsupported',
    `${path} holds files in a form (${data.kind}) that no other image can point to`,
    {
      detail: { path, form: data.kind },
      hint: 'use the driver with merged=no',
    },
  );
}
