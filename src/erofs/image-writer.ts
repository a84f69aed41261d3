import { createHash } from 'node:crypto';
import type { Tree } from '../tree/index.ts';
import type { DataOf, FileData } from './data.ts';
import { ErofsError } from './error.ts';
import { compatible, incompatible } from './layout.ts';
import { type ErofsOutput, MetadataMeasure, MetadataWriter } from './metadata-output.ts';
import { type HeadOptions, hasChecksum, seal, writeHead } from './superblock-writer.ts';
import { type TreeOptions, TreeWriter } from './tree-writer.ts';

export interface ErofsOptions<C = FileData> extends HeadOptions, TreeOptions<C> {
  /** What the contents are, such as the digests of layers. The UUID is made of it and of all metadata, and of nothing else. */
  readonly identity: Uint8Array;
  /** Up to 15 characters of ASCII; none when absent. */
  readonly volumeName?: string;
}

export interface ErofsImageParts {
  /** For the image's start. */
  readonly head: Uint8Array;
  readonly uuid: Uint8Array;
  /** Of the image, in bytes: whole blocks. */
  readonly size: number;
}

const maxBlocks = 0xffffffff;

/**
 * Appends all metadata behind the data, beginning with the next whole block, and returns the head, for which the caller has left
 * `headSize(options)` bytes in front. Deterministic; time is linear in entries, chunks and compressed blocks, memory some words
 * an inode. Throws ErofsError `unsupported` for what the format cannot hold; nothing that was written is of use then.
 */
export function writeErofs<C = FileData>(
  output: ErofsOutput,
  tree: Tree<C>,
  options: ErofsOptions<C> & (C extends FileData ? unknown : { readonly dataOf: DataOf<C> }),
): ErofsImageParts {
  const hash = createHash('sha256').update(`${options.identity.length}:`).update(options.identity);
  const { blockSize } = options;
  checkOptions(options);
  const metadata = new TreeWriter(tree, options);
  const measure = new MetadataMeasure(output.position);
  metadata.writeBlocks(measure);
  const inodeStart = measure.position;
  metadata.placeInodes();

  const writer = new MetadataWriter(output, hash);
  metadata.writeBlocks(writer);
  if (writer.position !== inodeStart) throw new ErofsError('internal', 'metadata was measured wrongly');
  metadata.writeInodes(writer);
  writer.align(blockSize);
  writer.flush();

  const size = output.position;
  if (size / blockSize > maxBlocks) {
    throw new ErofsError('unsupported', `an EROFS image of ${size} bytes, more than 2^32 - 1 blocks`, {
      hint: 'choose another format',
    });
  }
  const { devices = [], xattrPrefixes = [] } = options;
  const head = writeHead(options, {
    inodeCount: tree.nodes.length,
    rootNid: metadata.nids[tree.root.index]!,
    time: metadata.time,
    blockCount: size / blockSize,
    metadataBlock: inodeStart / blockSize,
    xattrBlock: metadata.xattrStart / blockSize,
    volumeName: options.volumeName ?? '',
    compatible:
      compatible.mtime +
      (hasChecksum(blockSize) ? compatible.checksum : 0) +
      (metadata.hasXattrs ? compatible.xattrFilter : 0),
    incompatible:
      (metadata.extents.size > 0 ? incompatible.zeroPadding + incompatible.compressionConfigs : 0) +
      (metadata.hasChunks ? incompatible.chunkedFiles : 0) +
      (devices.length > 0 ? incompatible.deviceTable : 0) +
      (xattrPrefixes.length > 0 ? incompatible.xattrPrefixes : 0),
    extents: metadata.extents,
  });
  const uuid = new Uint8Array(hash.update(head).digest().subarray(0, 16));
  // Version 8 of RFC 9562: made by a rule of our own.
  uuid[6] = (uuid[6]! % 0x10) + 0x80;
  uuid[8] = (uuid[8]! % 0x40) + 0x80;
  seal(head, uuid, blockSize);
  return { head, uuid, size };
}

function checkOptions({ volumeName = '', devices = [] }: Pick<ErofsOptions, 'volumeName' | 'devices'>): void {
  if (!/^[\x20-\x7e]{0,15}$/.test(volumeName)) {
    throw new ErofsError('invalid', `${JSON.stringify(volumeName)} cannot name a volume`, {
      hint: 'a name has up to 15 characters of ASCII',
    });
  }
  for (const { tag } of devices) {
    if (!/^[\x21-\x7e]{1,64}$/.test(tag)) {
      throw new ErofsError('invalid', `${JSON.stringify(tag)} cannot be a device's tag`, {
        hint: 'a tag has 1 to 64 characters of ASCII',
      });
    }
  }
}
