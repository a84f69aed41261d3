/** The data area of an image with compressed extents. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { createBlockCompressor, defaultLevel } from '../../src/bytes/codec/index.ts';
import type { ChunkedData, CompressedData } from '../../src/erofs/data.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { type Given, write, writeAndCheck } from './contents.ts';

const algorithms = ['lz4', 'deflate', 'zstd'] as const;
const noise = (blocks: number, tail = 0): Buffer => randomBytes(blocks * 4096 + tail);
const text = (size: number): Buffer => Buffer.alloc(size, 'what is said twice is easily kept. ');

for (const compression of algorithms) {
  test(`${compression}: extents are compressed, or plain where that saves no block`, async () => {
    const given = [
      text(200_000),
      Buffer.concat([text(65536), noise(16), text(65536), text(10)]),
      Buffer.concat([noise(16), text(65536)]),
      Buffer.alloc(300_000),
    ];
    const { files } = await writeAndCheck(given, { compression });
    const stored = files.map(data => Array.from((data as CompressedData).stored));
    assert.deepEqual(
      stored.map(each => each.map(Boolean)),
      [
        [true, true, true, false],
        [true, false, true, false],
        [false, true],
        [true, true, true, true, true],
      ],
    );
    assert.deepEqual(stored[3], [4096, 4096, 4096, 4096, 4096]);
  });

  test(`${compression}: a file that nothing is saved of is stored as it is`, async () => {
    const given = [
      text(4096),
      text(4000),
      text(100),
      noise(40),
      noise(40, 100),
      noise(40, 4000),
      noise(1, 1),
    ];
    const { files, end } = await writeAndCheck(given, { compression, extentBytes: 32768 });
    const kinds = files.map(({ kind }) => kind);
    assert.deepEqual(
      [kinds[0], kinds[2], kinds[3], kinds[4], kinds[6]],
      ['plain', 'inline', 'plain', 'inline', 'inline'],
    );
    assert.ok(!kinds.includes('compressed'));
    assert.ok(end <= 4096 * (1 + 1 + 1 + 40 + 40 + 41 + 1));
  });

  test(`${compression}: a sparse file keeps its holes, one with small ones is compressed`, async () => {
    const given: Given[] = [
      [text(8192), 1_000_000, text(8192)],
      [text(50_000), 300, text(50_000)],
      [300, text(50_000), 500],
      [noise(3), 10, noise(0, 86)],
      [2 ** 30],
    ];
    const { files } = await writeAndCheck(given, { compression });
    assert.deepEqual(
      files.map(({ kind }) => kind),
      ['chunked', 'compressed', 'compressed', 'inline', 'chunked'],
    );
    assert.equal((files[4] as ChunkedData).chunkBytes, 16384);
  });
}

test('deflate that begins with a zero is not taken for padding', async () => {
  // Incompressible at first, so that it begins with a stored block, and then worth it.
  const file = Buffer.concat([randomBytes(40_000), Buffer.alloc(25_000)]);
  assert.equal(deflateRawSync(file, { level: 9 })[0], 0, 'the case is not met');
  const { files } = await writeAndCheck([file], { compression: 'deflate' });
  assert.ok((files[0] as CompressedData).stored[0]! > 0);
});

for (const compression of algorithms) {
  test(`${compression}: data that fills its blocks to the last byte has no zeros before it`, async () => {
    const compressor = createBlockCompressor(compression);
    const output = new Uint8Array(65536);
    const found: Buffer[] = [];
    // Each byte of noise more makes it a byte longer, or nearly.
    for (let length = 7000; length < 45_000 && found.length < 3; length++) {
      const file = Buffer.concat([text(20_000), noise(0, length)]);
      const size = compressor.compress(file, output);
      const over = size % 4096;
      if (over > 0 && over < 4000) length += 4000 - over;
      else if (over === 0 && size > 0) found.push(file);
    }
    compressor.close();
    assert.ok(found.length > 0, 'the case is not met');
    const { files } = await writeAndCheck(found, { compression });
    assert.ok(files.every(({ kind }) => kind === 'compressed'));
  });
}

test('deflate that begins with a zero and fills its blocks gets one more', async () => {
  const level = defaultLevel('deflate');
  const noise = randomBytes(60_000);
  const fileOf = (length: number): Buffer =>
    Buffer.concat([noise.subarray(0, length), Buffer.alloc(65536)], 65536);
  // Each byte of noise more makes it a byte longer, or nearly.
  for (let length = 36_800; length < 60_000; length++) {
    const file = fileOf(length);
    const packed = deflateRawSync(file, { level });
    const over = packed.length % 4096;
    if (over > 0 && over < 4000) length += 4000 - over;
    if (over > 0 || packed[0] !== 0) continue;
    const { files } = await writeAndCheck([file], { compression: 'deflate' });
    assert.deepEqual((files[0] as CompressedData).stored, [packed.length + 4096]);
    return;
  }
  assert.fail('the case is not met');
});

test('the same bytes at any number of threads, whatever was forgotten before', async () => {
  const seed = readSeed();
  const given = randomFiles(createRandom(seed), 150);
  for (const compression of algorithms) {
    const [first, ...others] = await Promise.all([
      write(given, { compression, threads: 1, slabs: 8 }),
      write(given, { compression, threads: 4 }),
      write(given, { compression, threads: 2, forgotten: [text(1_000_000), noise(300), text(5000)] }),
    ]);
    for (const other of others) {
      const files = ({ files }: typeof first) =>
        files.map(data => ('tail' in data ? { ...data, tail: 0 } : data));
      assert.deepEqual(files(other), files(first), `SEED=${seed}`);
      assert.ok(other.output.read(0, other.end).equals(first.output.read(0, first.end)), `SEED=${seed}`);
    }
  }
});

const seed = readSeed();
test(`random files, extents of all sizes, in the smallest pool (SEED=${seed})`, async () => {
  const random = createRandom(seed);
  for (let round = 0; round < 12; round++) {
    const given = randomFiles(random, 40);
    const compression = random.pick(algorithms);
    const extentBytes = 2 ** (12 + random.integer(9));
    // One for the layer's reader, two for the open extent, one a job and one behind it.
    await writeAndCheck(given, { compression, level: 1, extentBytes, threads: 1, slabs: 6 });
  }
});

function randomFiles(random: Random, most: number): Given[] {
  const piece = (length: number): Buffer => {
    const kind = random.integer(4);
    if (kind === 0) return randomBytes(length);
    if (kind === 1) return Buffer.alloc(length);
    if (kind === 2) return text(length);
    return Buffer.concat([randomBytes(Math.floor(length / 2)), text(Math.ceil(length / 2))]);
  };
  return Array.from({ length: 1 + random.integer(most) }, (): Given => {
    const size = 1 + random.integer(random.pick([10, 5000, 20_000, 100_000, 2_000_000]));
    if (random.chance(0.8)) return piece(size);
    return Array.from({ length: 1 + random.integer(5) }, () => {
      const length = 1 + random.integer(random.pick([100, 10_000, 300_000]));
      return random.chance(0.6) ? piece(length) : length;
    });
  });
}
