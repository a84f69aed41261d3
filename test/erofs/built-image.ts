/** Images as the writer makes them, of trees whose files hold their bytes. */
import { createBlockCompressor } from '../../src/bytes/codec/index.ts';
import { type ErofsAlgorithm, emptyFile, type FileData, hole } from '../../src/erofs/data.ts';
import { type ErofsOptions, writeErofs } from '../../src/erofs/image-writer.ts';
import { inlineTail } from '../../src/erofs/placement.ts';
import { headSize } from '../../src/erofs/superblock-writer.ts';
import { Warnings } from '../../src/error/index.ts';
import {
  type DirectoryInode,
  type Inode,
  mapContent,
  type Node,
  validateTree,
} from '../../src/tree/index.ts';
import type { Random } from '../model/random.ts';

/** How a file is stored; inline where a tail is left over, else plain. */
export type Storage = 'plain' | 'inline' | 'chunked' | 'device' | ErofsAlgorithm;

export interface BuildOptions extends Partial<ErofsOptions> {
  readonly storage?: (bytes: Buffer) => Storage;
  readonly chunkBytes?: number;
  readonly extentBytes?: number;
  /** So many extra devices, whose contents are returned. */
  readonly deviceCount?: number;
}

export interface Built {
  readonly image: Buffer;
  readonly devices: readonly Buffer[];
  readonly uuid: Uint8Array;
  /** Where the data ends and the metadata begins. */
  readonly dataEnd: number;
}

class Store {
  readonly chunks: Buffer[] = [];
  position = 0;

  append(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes));
    this.position += bytes.length;
  }

  /** Returns where the bytes begin; they end with zeros up to a whole block. */
  block(bytes: Uint8Array, blockSize: number): number {
    const start = this.position;
    this.append(bytes);
    this.append(Buffer.alloc(-bytes.length & (blockSize - 1)));
    return start;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

export function buildErofs(root: Inode<Buffer>, options: BuildOptions = {}): Built {
  const { blockSize = 4096, deviceCount = 0, storage = () => 'inline' } = options;
  const { chunkBytes = blockSize, extentBytes = 16 * blockSize } = options;
  const algorithms = options.algorithms ?? (['lz4', 'deflate', 'zstd'] as const);
  const devices = Array.from({ length: deviceCount }, () => new Store());
  const tags = (): { tag: string; bytes: number }[] =>
    devices.map((device, index) => ({ tag: `device-${index + 1}`, bytes: device.position }));
  const head = {
    blockSize,
    algorithms,
    ...(options.xattrPrefixes && { xattrPrefixes: options.xattrPrefixes }),
  };
  const output = new Store();
  output.append(Buffer.alloc(headSize({ ...head, devices: tags() })));
  let used = 0;
  const pieces = (bytes: Buffer, size: number): Buffer[] =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
  const isZero = (bytes: Buffer): boolean => bytes.every(byte => byte === 0);
  const place = (bytes: Buffer): FileData => {
    const kind = storage(bytes);
    const { length } = bytes;
    if (length === 0) return emptyFile;
    if (kind === 'plain' || (kind === 'inline' && inlineTail(length, blockSize) === 0)) {
      return { kind: 'plain', start: output.block(bytes, blockSize) };
    }
    if (kind === 'inline') {
      return { kind, start: output.block(bytes.subarray(0, length - (length % blockSize)), blockSize) };
    }
    if (kind === 'chunked' || kind === 'device') {
      const parts = pieces(bytes, chunkBytes);
      // All chunks of a file are on one device, the image itself included.
      const place = kind === 'device' ? used++ % (deviceCount + 1) : 0;
      const places = parts.map(() => place);
      const starts = parts.map((part, index) =>
        isZero(part) ? hole : [output, ...devices][places[index]!]!.block(part, blockSize),
      );
      return { kind: 'chunked', chunkBytes, starts, ...(kind === 'device' && { devices: places }) };
    }
    const starts: number[] = [];
    const stored: number[] = [];
    using compressor = disposable(createBlockCompressor(kind === 'deflate' ? 'deflate' : kind, undefined));
    for (const part of pieces(bytes, extentBytes)) {
      const scratch = Buffer.alloc(extentBytes);
      const compressed = compressor.compress(part, scratch);
      // Kernels take zeros in front for padding: a stored block of deflate begins with one, unless an empty block is before it.
      const isAmbiguous = kind === 'deflate' && compressed > 0 && scratch[0] === 0;
      if (isAmbiguous) scratch.copyWithin(1, 0, compressed);
      if (isAmbiguous) scratch[0] = 2;
      const size = isAmbiguous ? compressed + 1 : compressed;
      const blocks = Math.ceil(size / blockSize);
      if (size === 0 || blocks >= Math.ceil(part.length / blockSize)) {
        starts.push(output.block(part, blockSize));
        stored.push(0);
      } else {
        const padded = Buffer.alloc(blocks * blockSize);
        padded.set(scratch.subarray(0, size), padded.length - size);
        starts.push(output.block(padded, blockSize));
        stored.push(padded.length);
      }
    }
    return { kind: 'compressed', algorithm: kind, extentBytes, starts, stored };
  };
  const sample = validateTree(root);
  const tree = mapContent(sample, ({ content }) => place(content));
  const dataEnd = output.position;
  const readTail = (node: Node<FileData>, target: Uint8Array): void => {
    const { inode } = sample.nodes[node.index]!;
    if (inode.type !== 'file') throw new Error('not a file');
    target.set(inode.content.subarray(inode.size - target.length));
  };
  const {
    head: bytes,
    uuid,
    size,
  } = writeErofs(output, tree, {
    identity: new Uint8Array(0),
    warnings: new Warnings(),
    readTail,
    ...options,
    ...head,
    devices: tags(),
  });
  const image = output.bytes;
  if (image.length !== size) throw new Error(`${image.length} bytes, said to be ${size}`);
  image.set(bytes, 0);
  return { image, devices: devices.map(device => device.bytes), uuid, dataEnd };
}

function disposable<T extends { close(): void }>(codec: T): T & Disposable {
  return Object.assign(codec, { [Symbol.dispose]: () => codec.close() });
}

const times = [
  { seconds: 1_600_000_000, nanoseconds: 123_456_789 },
  { seconds: 1_600_000_000, nanoseconds: 0 },
  { seconds: 1_600_000_000, nanoseconds: 0 },
  { seconds: -1, nanoseconds: 999_999_999 },
  { seconds: -(2 ** 33), nanoseconds: 1 },
  { seconds: 2 ** 34, nanoseconds: 5 },
];

/** The same tree with times that only EROFS can hold. */
export function withTimes(root: DirectoryInode<Buffer>, random: Random): DirectoryInode<Buffer> {
  return changed(root, inode => ({ ...inode, mtime: random.pick(times) }));
}

/** The same tree with no xattr whose value is empty: at one of these fsck.erofs 1.8 stops extracting an inode's. */
export function withoutEmptyXattrs(root: DirectoryInode<Buffer>): DirectoryInode<Buffer> {
  return changed(root, inode => ({
    ...inode,
    xattrs: new Map([...inode.xattrs].filter(([, value]) => value.length > 0)),
  }));
}

/** Hardlinks stay. */
function changed(
  root: DirectoryInode<Buffer>,
  change: (inode: Inode<Buffer>) => Inode<Buffer>,
): DirectoryInode<Buffer> {
  const known = new Map<Inode<Buffer>, Inode<Buffer>>();
  const apply = (inode: Inode<Buffer>): Inode<Buffer> => {
    let result = known.get(inode);
    if (result !== undefined) return result;
    result = change(inode);
    if (result.type === 'directory') {
      const children = new Map([...result.children].map(([name, child]) => [name, apply(child)] as const));
      result = { ...result, children };
    }
    known.set(inode, result);
    return result;
  };
  return apply(root) as DirectoryInode<Buffer>;
}
