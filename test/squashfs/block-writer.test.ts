/** The data area: what was given is what is read back, stored once, and the same whatever the threads do. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createBlockCompressor } from '../../src/bytes/codec/index.ts';
import { BlockPool, SlabPool, slabBytes } from '../../src/bytes/pool/index.ts';
import type { RandomAccess } from '../../src/bytes/random-access.ts';
import { Warnings } from '../../src/error/index.ts';
import { BlockWriter } from '../../src/squashfs/block-writer.ts';
import {
  bytesSource,
  compressorOptions,
  type FileData,
  type FragmentBlock,
  openSquashfs,
  paddedSize,
  type SquashfsCompression,
  superblockSize,
  writeTables,
} from '../../src/squashfs/index.ts';
import { mapContent, validateTree } from '../../src/tree/index.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { readAll } from './read-back.ts';
import { directory, plain } from './sample.ts';

/** Bytes, or so many zeros that come as a hole. */
type Piece = Buffer | number;
type Given = Buffer | readonly Piece[];

interface Options {
  readonly compression?: SquashfsCompression;
  readonly blockBytes?: number;
  readonly packTails?: boolean;
  readonly threads?: number;
  readonly slabs?: number;
  /** Given first, and then forgotten. */
  readonly forgotten?: readonly Given[];
}

interface Written {
  readonly files: readonly FileData[];
  readonly fragments: readonly FragmentBlock[];
  /** Bytes of the data area. */
  readonly stored: number;
  /** All up to the end of the data area. */
  readonly data: Buffer;
  readonly contents: readonly Buffer[];
}

class Memory implements RandomAccess {
  bytes = Buffer.alloc(slabBytes);

  writeAt(position: number, chunks: readonly Uint8Array[]): void {
    const end = chunks.reduce((sum, chunk) => sum + chunk.length, position);
    if (end > this.bytes.length) this.bytes = Buffer.concat([this.bytes], 2 * end);
    for (const chunk of chunks) {
      this.bytes.set(chunk, position);
      position += chunk.length;
    }
  }
  readAt(position: number, target: Uint8Array): void {
    assert.ok(position + target.length <= this.bytes.length, 'read beyond what was written');
    target.set(this.bytes.subarray(position, position + target.length));
  }
}

const piecesOf = (given: Given): readonly Piece[] => (Buffer.isBuffer(given) ? [given] : given);
const contentOf = (given: Given): Buffer =>
  Buffer.concat(piecesOf(given).map(piece => (typeof piece === 'number' ? Buffer.alloc(piece) : piece)));

/** Gives files as a layer's reader does: one behind the other in slabs, cut wherever a slab ends. */
async function feed(writer: BlockWriter, slabs: SlabPool, given: readonly Given[], reserve: number) {
  let slab = -1;
  let filled = 0;
  const next = async (): Promise<void> => {
    if (slab >= 0) slabs.release(slab);
    await writer.ready();
    slab = await new Promise<number>(give => slabs.request(() => reserve, give));
    // What lay there before must not be what is stored.
    slabs.bytes.fill(0xee, SlabPool.start(slab), SlabPool.start(slab) + SlabPool.capacity);
    filled = 0;
  };
  await next();
  for (const [id, file] of given.entries()) {
    const pieces = piecesOf(file);
    // The header.
    filled += 512;
    if (filled >= slabBytes) await next();
    writer.begin(id, contentOf(file).length);
    for (const piece of pieces) {
      if (typeof piece === 'number') {
        writer.hole(piece);
        continue;
      }
      for (let at = 0; at < piece.length; ) {
        if (filled === slabBytes) await next();
        const take = Math.min(piece.length - at, slabBytes - filled);
        const start = SlabPool.start(slab) + filled;
        slabs.bytes.set(piece.subarray(at, at + take), start);
        writer.data(start, take);
        filled += take;
        at += take;
      }
    }
    writer.end();
  }
  slabs.release(slab);
  await writer.ready();
}

async function write(given: readonly Given[], options: Options = {}): Promise<Written> {
  const { compression = 'zstd', blockBytes = 4096, packTails = true, threads = 2 } = options;
  const reserve = BlockWriter.reserve + 2 * threads;
  const slabs = new SlabPool(options.slabs ?? 2 * reserve + 4);
  const output = new Memory();
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const algorithm = compression === 'none' ? undefined : compression;
  const pool = new BlockPool({ slabs, threads, algorithm, level: undefined, blockBytes }, error =>
    fail(error),
  );
  const start = superblockSize + compressorOptions(compression).length;
  const writer = new BlockWriter({ output, start, blockBytes, packTails, slabs, pool });
  const work = async (): Promise<Written> => {
    if (options.forgotten !== undefined) {
      await feed(writer, slabs, options.forgotten, reserve);
      await writer.restart();
    }
    await feed(writer, slabs, given, reserve);
    const { files, fragments, position } = await writer.finish();
    assert.ok(slabs.free >= slabs.count - BlockWriter.reserve, `${slabs.count - slabs.free} slabs are held`);
    const data = Buffer.from(output.bytes.subarray(0, position));
    return { files, fragments, stored: position - start, data, contents: given.map(contentOf) };
  };
  try {
    return await Promise.race([work(), failed]);
  } finally {
    await pool.close();
  }
}

/** Puts tables behind the data, and reads every file from the image that they make. */
function check({ files, fragments, data, contents }: Written, options: Options = {}): void {
  const { compression = 'zstd', blockBytes = 4096 } = options;
  const compressor = compression === 'none' ? undefined : createBlockCompressor(compression);
  const children = new Map(
    contents.map((bytes, index) => [
      `${index}`,
      { ...plain, type: 'file', size: bytes.length, content: index } as const,
    ]),
  );
  const root = { ...directory(), children } as const;
  const tree = mapContent(validateTree<number>(root), ({ content }) => files[content]!);
  const chunks: Uint8Array[] = [data];
  let position = data.length;
  const output = {
    append(bytes: Uint8Array): void {
      chunks.push(Buffer.from(bytes));
      position += bytes.length;
    },
    get position() {
      return position;
    },
  };
  const superblock = writeTables(output, tree, fragments, {
    compression,
    compressor,
    blockSize: blockBytes,
    modificationTime: 0,
    warnings: new Warnings(),
  });
  compressor?.close();
  const bytes = Buffer.concat(chunks, paddedSize(position));
  bytes.set(superblock, 0);
  bytes.set(compressorOptions(compression), superblockSize);
  using image = openSquashfs(bytesSource(bytes));
  for (const { inode, path } of image.tree().nodes) {
    if (inode.type !== 'file') continue;
    assert.ok(readAll(image, inode).equals(contents[Number(path)]!), `file ${path} differs`);
    assert.equal(inode.content.sparse % 1, 0);
  }
}

async function writeAndCheck(given: readonly Given[], options: Options = {}): Promise<Written> {
  const written = await write(given, options);
  check(written, options);
  return written;
}

const noise = (blocks: number, tail = 0): Buffer => randomBytes(blocks * 4096 + tail);
const sum = (...buffers: readonly Buffer[]): number =>
  buffers.reduce((total, { length }) => total + length, 0);

test('what is there already is not stored again: blocks, tails, both', async () => {
  const [a, b] = [noise(3), noise(2)];
  const [s, t] = [noise(0, 100), noise(0, 100)];
  const plainly = { compression: 'none' } as const;
  const blocks = await writeAndCheck([a, b, a, a, b], plainly);
  assert.equal(blocks.stored, sum(a, b));
  assert.deepEqual(blocks.files[2]!.blocks, blocks.files[0]!.blocks);
  assert.equal(blocks.files[2]!.start, blocks.files[0]!.start);

  const tails = await writeAndCheck([s, t, s, t, s], plainly);
  assert.equal(tails.stored, sum(s, t));
  assert.equal(tails.fragments.length, 1);

  const both = await writeAndCheck(
    [
      [a, s],
      [b, t],
      [a, s],
      // The blocks of one with the tail of another, of its own and of the same length.
      [a, t],
      [a, noise(0, 100)],
      [b, s],
      t,
    ],
    plainly,
  );
  assert.equal(both.stored, sum(a, b, s, t) + 100);
});

test('a file whose tail is a block of its own is stored once too', async () => {
  const a = noise(2, 77);
  const [small, other] = [noise(0, 50), noise(0, 50)];
  const options = { compression: 'none', packTails: false } as const;
  const written = await writeAndCheck([a, small, a, other, small, noise(2, 77)], options);
  assert.equal(written.stored, 2 * sum(a) + sum(small, other));
  assert.equal(written.fragments.length, 0);
  assert.ok(written.files.every(({ fragment }) => fragment === undefined));
});

test('files that differ only where no fingerprint looks stay apart, however many they are', async () => {
  const base = noise(3);
  const variants = Array.from({ length: 20 }, (_, index) => {
    const bytes = Buffer.from(base);
    // Behind the first 512 bytes of a block, of each block in turn, up to the very last byte.
    const at = index === 0 ? bytes.length - 1 : (index % 3) * 4096 + 512 + index * 100;
    bytes[at]! ^= 0xff;
    return bytes;
  });
  for (const compression of ['zstd', 'none'] as const) {
    const written = await writeAndCheck([base, ...variants, base, ...variants], { compression });
    const starts = new Set(written.files.slice(0, 21).map(({ start }) => start));
    assert.equal(starts.size, 21);
    // The earliest are found again; it may give up on later ones, but never merge them wrongly.
    for (let index = 0; index < 8; index++) {
      assert.equal(written.files[21 + index]!.start, written.files[index]!.start, `file ${index}`);
    }
  }
});

test('compressed files of equal stored sizes and different content stay apart', async () => {
  // Text of one shape: the same lengths in, very likely the same lengths out, and the same beginnings.
  const text = (mark: string) => Buffer.alloc(8192, `${'common beginning '.repeat(40)}${mark}`);
  const marks = Array.from({ length: 26 }, (_, index) => text(String.fromCharCode(97 + index)));
  for (const compression of ['gzip', 'lz4', 'zstd'] as const) {
    const written = await writeAndCheck([...marks, ...marks], { compression });
    for (let index = 0; index < 8; index++) {
      assert.equal(written.files[26 + index]!.start, written.files[index]!.start);
    }
  }
});

test('a file of several jobs is taken back, and what follows lies right', async () => {
  const big = randomBytes(5 * slabBytes + 4096 + 321);
  const [after, last] = [noise(9, 500), noise(300)];
  for (const [threads, blockBytes] of [
    [1, 4096],
    [3, 131072],
    [2, slabBytes],
  ] as const) {
    const options = { threads, blockBytes, compression: 'none' } as const;
    const written = await writeAndCheck([noise(1), big, after, big, last, big, after, last], options);
    assert.equal(written.stored, 4096 + sum(big, after, last));
    const [, first, , second, , third] = written.files;
    assert.deepEqual([second!.start, third!.start], [first!.start, first!.start]);
  }
  // Different only at the end, in another job than most of it.
  const other = Buffer.from(big);
  other[5 * slabBytes - 1]! ^= 1;
  const { files } = await writeAndCheck([big, other, after, other, big], { threads: 3, blockBytes: 131072 });
  assert.notEqual(files[0]!.start, files[1]!.start);
  assert.deepEqual([files[3]!.start, files[4]!.start], [files[1]!.start, files[0]!.start]);
});

test('a twin that ended in the same job is found', async () => {
  const [a, b] = [noise(2), noise(2)];
  const written = await writeAndCheck([a, a, b, a, b, b, a], { compression: 'none' });
  assert.equal(written.stored, sum(a, b));
  assert.deepEqual(
    written.files.map(({ start }) => start),
    [0, 0, 1, 0, 1, 1, 0].map(which => superblockSize + which * 8192),
  );
});

test('a fragment block never comes between the blocks of a file that is taken back', async () => {
  const a = noise(2);
  // Every tail fills more than half a block, so that each file cuts the fragment of the one before.
  const given = Array.from({ length: 40 }, (): Piece[] => [a, noise(0, 2100)]);
  const written = await writeAndCheck(given, { compression: 'none' });
  assert.equal(written.stored, sum(a) + sum(...given.map(([, tail]) => tail as Buffer)));
  assert.equal(written.fragments.length, 40);
});

test('zeros take no room, whether they come as bytes or as holes', async () => {
  const text = noise(1);
  for (const packTails of [true, false]) {
    const options = { compression: 'none', packTails } as const;
    const written = await writeAndCheck(
      [
        Buffer.concat([text, Buffer.alloc(8192), text]),
        [text, 8192, text],
        [8192],
        Buffer.alloc(8192),
        [4096 * 1000 + 5],
        [text, 4097],
        [4095, Buffer.from('x')],
      ],
      options,
    );
    const { files } = written;
    // The second is the first; then the text alone; then a block of one `x`.
    assert.equal(written.stored, 8192 + 4096 + 4096);
    assert.deepEqual([files[1]!.start, files[1]!.blocks], [files[0]!.start, files[0]!.blocks]);
    assert.deepEqual(
      files.map(({ sparse }) => sparse),
      [8192, 8192, 8192, 8192, 4096 * 1000 + 5, 4097, 0],
    );
    assert.deepEqual(files[2], { ...files[2], start: 0, blocks: [0, 0], fragment: undefined });
  }
  // A tail of zeros that lies in memory is packed as any other: readers must find zeros there.
  await writeAndCheck([
    Buffer.alloc(10),
    Buffer.from('a'),
    noise(1, 0),
    Buffer.alloc(5000),
    Buffer.alloc(10),
  ]);
});

test('a block of very many pieces', async () => {
  const pieces = (count: number): Piece[] =>
    Array.from({ length: 2 * count }, (_, index) => (index % 2 === 0 ? Buffer.from('x') : 1));
  await writeAndCheck([pieces(65536), noise(3, 7), pieces(1000)], { blockBytes: 131072 });
});

test('what is forgotten leaves no trace', async () => {
  const shared = noise(40, 99);
  const forgotten = [noise(600, 12), shared, noise(0, 3000), noise(0, 10)];
  const given = [noise(0, 10), shared, noise(300), noise(0, 3000), shared];
  for (const compression of ['none', 'zstd'] as const) {
    const again = await writeAndCheck(given, { compression, forgotten });
    const once = await write(given, { compression });
    assert.ok(again.data.subarray(superblockSize).equals(once.data.subarray(superblockSize)));
    assert.deepEqual([again.files, again.fragments], [once.files, once.fragments]);
  }
});

function createFiles(random: Random, blockBytes: number, budget: number): Given[] {
  const files: Given[] = [];
  const tails = [noise(0, 5), noise(0, 700)];
  for (let total = 0; total < budget; ) {
    if (files.length > 0 && random.chance(0.3)) {
      const twin = random.pick(files);
      files.push(random.chance(0.3) ? [...piecesOf(twin), random.pick(tails)] : twin);
      total += contentOf(files.at(-1)!).length;
      continue;
    }
    const kinds = random.integer(10);
    const size = random.pick([
      1 + random.integer(300),
      1 + random.integer(blockBytes),
      blockBytes - 1,
      blockBytes,
      blockBytes + 1,
      1 + random.integer(5 * blockBytes),
      3 * blockBytes,
    ]);
    const bytes = randomBytes(size);
    if (kinds < 4) for (let at = 0; at < size; at++) bytes[at] = 97 + (bytes[at]! % 4);
    if (kinds === 4) bytes.fill(0, Math.floor(size / 2));
    files.push(kinds === 5 ? [bytes, 1 + random.integer(3 * blockBytes), bytes.subarray(size >> 1)] : bytes);
    total += size;
  }
  return files.filter(file => contentOf(file).length > 0);
}

for (const blockBytes of [4096, 131072, slabBytes]) {
  test(`random files are read back, and the threads leave no trace, in blocks of ${blockBytes}`, async t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed + blockBytes);
    for (const compression of ['zstd', 'none'] as const) {
      const given = createFiles(random, blockBytes, Math.max(1.5e6, 6 * blockBytes));
      const options = { compression, packTails: random.chance(0.7), blockBytes };
      const one = await writeAndCheck(given, { ...options, threads: 1 });
      const other = await write(given, { ...options, threads: 3, slabs: 50 });
      assert.ok(other.data.subarray(superblockSize).equals(one.data.subarray(superblockSize)));
      assert.deepEqual([other.files, other.fragments], [one.files, one.fragments]);
    }
  });
}
