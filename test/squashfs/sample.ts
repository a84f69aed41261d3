/** Trees and images to test with: random trees whose files hold their bytes, and a plain writer of file data. */
import { hash } from 'node:crypto';
import { createBlockCompressor } from '../../src/bytes/codec/index.ts';
import { Warnings } from '../../src/error/index.ts';
import {
  compressorOptions,
  emptyFile,
  type FileData,
  type FragmentBlock,
  paddedSize,
  type SquashfsCompression,
  superblockSize,
  writeTables,
} from '../../src/squashfs/index.ts';
import {
  type DirectoryInode,
  type Inode,
  mapContent,
  type NodeInode,
  noXattrs,
  type Tree,
  validateTree,
} from '../../src/tree/index.ts';
import { formatListing, type Listing } from '../model/listing.ts';
import type { Random } from '../model/random.ts';

export type Sample = Inode<Buffer>;

export interface ImageOptions {
  readonly compression?: SquashfsCompression;
  readonly level?: number;
  readonly blockSize?: number;
  readonly exportable?: boolean;
  readonly warnings?: Warnings;
  readonly modificationTime?: number;
  readonly alwaysXattrs?: boolean;
}

const plainBlock = 0x1000000;

/** A whole image. Data is cut into blocks and, for two files of three, into fragments; nothing is deduplicated. */
export function buildImage(root: Sample, options: ImageOptions = {}): Buffer {
  const {
    compression = 'gzip',
    level,
    blockSize = 4096,
    exportable = true,
    modificationTime = 1_600_000_000,
    alwaysXattrs = false,
  } = options;
  const compressor = compression === 'none' ? undefined : createBlockCompressor(compression, level);
  const chunks: Buffer[] = [Buffer.alloc(superblockSize)];
  let position = superblockSize;
  const append = (bytes: Uint8Array): void => {
    chunks.push(Buffer.from(bytes));
    position += bytes.length;
  };
  append(compressorOptions(compression, level));
  const scratch = Buffer.alloc(blockSize);
  const store = (block: Buffer): number => {
    const size = compressor?.compress(block, scratch) ?? 0;
    append(size === 0 ? block : scratch.subarray(0, size));
    return size === 0 ? plainBlock + block.length : size;
  };
  const fragments: FragmentBlock[] = [];
  let tails: Buffer[] = [];
  let tailBytes = 0;
  const flushTails = (): void => {
    if (tailBytes === 0) return;
    const start = position;
    fragments.push({ start, size: store(Buffer.concat(tails)) });
    tails = [];
    tailBytes = 0;
  };
  const known = new Map<Buffer, FileData>();
  let files = 0;
  const place = (bytes: Buffer): FileData => {
    const done = known.get(bytes);
    if (done !== undefined) return done;
    const tail = files++ % 3 === 0 ? 0 : bytes.length % blockSize;
    const blocks: number[] = [];
    let sparse = 0;
    let fragment: FileData['fragment'];
    if (tail > 0) {
      if (tailBytes + tail > blockSize) flushTails();
      fragment = { index: fragments.length, offset: tailBytes };
      tails.push(bytes.subarray(bytes.length - tail));
      tailBytes += tail;
    }
    const start = position;
    for (let at = 0; at < bytes.length - tail; at += blockSize) {
      const block = bytes.subarray(at, Math.min(at + blockSize, bytes.length - tail));
      const isHole = block.length === blockSize && block.every(byte => byte === 0);
      if (isHole) sparse += block.length;
      blocks.push(isHole ? 0 : store(block));
    }
    const data = { start: blocks.length === 0 ? 0 : start, blocks, sparse, ...(fragment && { fragment }) };
    known.set(bytes, data);
    return data;
  };
  const tree = mapContent(validateTree(root), ({ size, content }) =>
    size === 0 ? emptyFile : place(content),
  );
  flushTails();
  const output = {
    append,
    get position() {
      return position;
    },
  };
  const superblock = writeTables(output, tree, fragments, {
    compression,
    level,
    compressor,
    blockSize,
    modificationTime,
    exportable,
    deduplicated: false,
    alwaysXattrs,
    warnings: options.warnings ?? new Warnings(),
  });
  compressor?.close();
  const image = Buffer.concat(chunks, paddedSize(position));
  image.set(superblock, 0);
  return image;
}

export const plain = {
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 1_500_000_000, nanoseconds: 0 },
  xattrs: noXattrs,
} as const;

export function file(content: Buffer | string = '', more: Partial<typeof plain> = {}): Sample {
  const bytes = Buffer.from(content);
  return { ...plain, ...more, type: 'file', size: bytes.length, content: bytes };
}

export function directory(
  children: Readonly<Record<string, Sample>> | ReadonlyMap<string, Sample> = {},
): DirectoryInode<Buffer> {
  const map = children instanceof Map ? children : new Map(Object.entries(children));
  return { ...plain, mode: 0o755, type: 'directory', children: map };
}

export interface Wishes {
  readonly entries: number;
  /** tar has no sockets. */
  readonly sockets?: boolean;
  /** mksquashfs makes an inode of each name of a symlink, GNU tar an entry of each name of a device. */
  readonly links?: 'all' | 'files';
  /** Values of several KiB, which the host's filesystem may refuse. */
  readonly largeXattrs?: boolean;
  readonly blockSize?: number;
}

/** Everything that a tree can have, odd bytes in names and targets included. */
export function randomTree(random: Random, wishes: Wishes): DirectoryInode<Buffer> {
  const { sockets = true, links = 'all', largeXattrs = false, blockSize = 4096 } = wishes;
  const owners = [0, 0, 1000, 65534, 70000, 2 ** 31, 2 ** 32 - 2];
  const shared = new Map([
    ['trusted.shared', bytes(random, 200)],
    ['security.shared', bytes(random, 3)],
  ]);
  const value = bytes(random, largeXattrs ? 9000 : 300);
  const xattrs = (allowed: readonly string[]): Map<string, Buffer> => {
    if (random.chance(0.7)) return new Map();
    if (random.chance(0.3)) return shared;
    const found = new Map<string, Buffer>();
    for (let count = random.integer(4); count > 0; count--) {
      const name = `${random.pick(allowed)}${random.pick(['a', 'b', 'longer.name', '\xc3\xa9', 'x'.repeat(200)])}`;
      found.set(name, random.chance(0.3) ? value : bytes(random, random.integer(40)));
    }
    return found;
  };
  const everywhere = ['trusted.', 'security.'];
  const common = (mode: number, allowed = everywhere) => ({
    mode,
    uid: random.pick(owners),
    gid: random.pick(owners),
    mtime: { seconds: random.pick([0, 1, 1_600_000_000, 2 ** 31, 2 ** 32 - 1]), nanoseconds: 0 },
    xattrs: xattrs(allowed),
  });
  const modes = [0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o7777, 0];
  const root = {
    ...common(0o755, ['user.', ...everywhere]),
    type: 'directory',
    children: new Map(),
  } as const;
  const directories: Map<string, Sample>[] = [root.children];
  const others: Sample[] = [];
  for (let entry = 0; entry < wishes.entries; entry++) {
    const into = random.pick(directories.slice(random.chance(0.5) ? -3 : 0));
    const name = randomName(random);
    if (into.has(name)) continue;
    const kind = random.integer(100);
    let inode: Sample;
    if (kind < 10 && others.length > 0) inode = random.pick(others);
    else if (kind < 30) {
      const children = new Map<string, Sample>();
      inode = { ...common(random.pick(modes), ['user.', ...everywhere]), type: 'directory', children };
      directories.push(children);
    } else if (kind < 42) {
      const target = random.pick(['a', '/b/../c', '\xff\xfe', ' ', 'x'.repeat(1 + random.integer(4000))]);
      inode = { ...common(0o777), type: 'symlink', target };
    } else if (kind < 48) {
      const type = random.pick(['block', 'character'] as const);
      const [major, minor] = random.pick([
        [0, 1],
        [1, 3],
        [4095, 1048575],
        [259, 256],
      ] as const);
      inode = { ...common(random.pick(modes)), type, major, minor };
    } else if (kind < 52) {
      inode = { ...common(random.pick(modes)), type: sockets && random.chance(0.5) ? 'socket' : 'fifo' };
    } else {
      const size = random.pick([
        0,
        1,
        random.integer(100),
        blockSize - 1,
        blockSize,
        blockSize + 1,
        3 * blockSize + 7,
      ]);
      const content = bytes(random, size);
      if (random.chance(0.2)) content.fill(0, 0, Math.min(size, blockSize));
      if (random.chance(0.1)) content.fill(0);
      inode = { ...common(random.pick(modes), ['user.', ...everywhere]), type: 'file', size, content };
    }
    if (inode.type !== 'directory' && (links === 'all' || inode.type === 'file')) others.push(inode);
    into.set(name, inode);
  }
  return root;
}

function randomName(random: Random): string {
  if (random.chance(0.7)) return `n${random.integer(1000)}`;
  if (random.chance(0.2)) return 'long'.repeat(63) + random.integer(900);
  let name = '';
  for (let length = 1 + random.integer(20); length > 0; length--) {
    const byte = 1 + random.integer(255);
    name += byte === 0x2f ? '-' : String.fromCharCode(byte);
  }
  return name === '.' || name === '..' ? 'dots' : name;
}

/** Half compressible. */
function bytes(random: Random, size: number): Buffer {
  const made = Buffer.alloc(size);
  for (let at = 0; at < size; at++) made[at] = at % 64 < 32 ? 0x61 + (at % 7) : random.integer(256);
  return made;
}

/** Every fact of a tree; `contentOf` gives a file's bytes. */
export function listTree<C>(
  { nodes, root }: Tree<C>,
  contentOf: (inode: { readonly size: number; readonly content: C }) => Uint8Array,
): Listing {
  const entries: [string, Parameters<typeof formatListing>[0] extends Iterable<infer E> ? E : never][] = [];
  const add = (path: string, inode: NodeInode<C>): void => {
    const fields =
      inode.type === 'file'
        ? { ...inode, content: digest(inode.size === 0 ? new Uint8Array(0) : contentOf(inode)) }
        : inode;
    entries.push([path, [path, fields, inode]]);
  };
  add('', root.inode);
  for (const node of nodes) {
    for (const { name, node: child } of node.entries)
      add(node.path === '' ? name : `${node.path}/${name}`, child.inode);
  }
  return formatListing(entries.map(([, entry]) => entry));
}

export function listSample(root: Sample): Listing {
  return listTree(validateTree(root), ({ content }) => content);
}

export function digest(bytes: Uint8Array): string {
  return hash('sha256', bytes);
}
