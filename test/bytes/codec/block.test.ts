import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  constants,
  deflateRawSync,
  deflateSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
} from 'node:zlib';
import { ZlibBlockCompressor, ZlibBlockDecompressor } from '../../../src/bytes/codec/block-zlib.ts';
import { ZstdBlockCompressor, ZstdBlockDecompressor } from '../../../src/bytes/codec/block-zstd.ts';
import {
  type BlockAlgorithm,
  type BlockCompressor,
  type BlockDecompressor,
  createBlockCompressor,
  createBlockDecompressor,
  defaultLevel,
  isAvailable,
  levelRange,
} from '../../../src/bytes/codec/index.ts';
import { requires } from '../../requirement.ts';
import { createRandom, filter, makeContent } from './streams.ts';

const availability = isAvailable('xz');
const noXz = availability.available ? false : availability.reason;
const algorithms: readonly (readonly [BlockAlgorithm, string | false])[] = [
  ['gzip', false],
  ['deflate', false],
  ['zstd', false],
  ['lz4', false],
  ['xz', noXz],
];

const blockSize = 131072;
const content = makeContent(blockSize * 3, 5);
const random = createRandom(11);
const noise = Buffer.from(Array.from({ length: 5000 }, () => random(256)));
/** Sizes and kinds that block codecs meet. */
const blocks: readonly Buffer[] = [
  content.subarray(0, blockSize),
  content.subarray(blockSize, blockSize * 3),
  Buffer.alloc(blockSize),
  Buffer.alloc(1000, 'ab'),
  ...[1, 2, 3, 4, 5, 11, 12, 13, 14, 16, 20, 64, 255, 270, 271, 300].flatMap(length => [
    Buffer.alloc(length, 'x'),
    content.subarray(0, length),
  ]),
  Buffer.concat([noise, noise]),
  Buffer.concat([noise, Buffer.alloc(70_000, 1), noise]),
];

function roundTrip(compressor: BlockCompressor, decompressor: BlockDecompressor): void {
  const shared = new Uint8Array(new SharedArrayBuffer(blockSize * 3));
  for (const block of blocks) {
    for (const room of [block.length * 2 + 1000, block.length, Math.ceil(block.length / 2), 0]) {
      const output = shared.subarray(0, room).fill(0xee);
      const size = compressor.compress(block, output);
      assert.ok(size <= room && (size === 0 || size < block.length), `${block.length} in ${room}: ${size}`);
      if (room >= block.length && block.length >= 1000 && block[0] === block[1]) assert.ok(size > 0);
      if (size === 0) continue;
      const packed = Buffer.from(output.subarray(0, size));
      const back = shared.subarray(blockSize * 2, blockSize * 2 + block.length);
      const target = block.length > back.length ? new Uint8Array(block.length) : back;
      assert.equal(decompressor.decompress(packed, target), block.length);
      assert.ok(block.equals(target));
      assert.equal(decompressor.decompress(packed, new Uint8Array(block.length + 10)), block.length);
      for (const short of [block.length - 1, Math.floor(block.length / 2), 0]) {
        assert.throws(() => decompressor.decompress(packed, new Uint8Array(short)), { code: 'corrupt' });
      }
      assert.throws(() => decompressor.decompress(packed.subarray(0, size - 1), target), { code: 'corrupt' });
      const longer = Buffer.concat([packed, Buffer.of(7)]);
      assert.throws(() => decompressor.decompress(longer, new Uint8Array(block.length)), { code: 'corrupt' });
    }
  }
  assert.equal(compressor.compress(noise, shared), 0, 'noise is stored plain');
  assert.equal(compressor.compress(Buffer.alloc(0), shared), 0);
  assert.throws(() => decompressor.decompress(Buffer.alloc(0), shared), { code: 'corrupt' });
}

for (const [algorithm, skip] of algorithms) {
  test(`${algorithm}: blocks round trip, whatever their size and the room`, { skip }, () => {
    const { lowest, highest } = levelRange(algorithm);
    for (const level of new Set([lowest, defaultLevel(algorithm), Math.min(highest, 9)])) {
      const compressor = createBlockCompressor(algorithm, level);
      const decompressor = createBlockDecompressor(algorithm);
      roundTrip(compressor, decompressor);
      for (const one of [compressor, decompressor, compressor, decompressor]) one.close();
    }
  });

  test(`${algorithm}: the same bytes whatever came before, and in whatever room`, { skip }, () => {
    const block = blocks[0]!;
    const fresh = new Uint8Array(blockSize * 2);
    const size = createBlockCompressor(algorithm).compress(block, fresh);
    const used = createBlockCompressor(algorithm);
    for (const other of blocks) used.compress(other, new Uint8Array(other.length * 2 + 1000));
    const again = new Uint8Array(size);
    assert.equal(used.compress(block, again), size);
    assert.deepEqual(again, fresh.subarray(0, size));
    assert.equal(used.compress(block, new Uint8Array(size - 1)), 0);
  });

  test(`${algorithm}: levels out of range are refused with the range`, { skip }, () => {
    const { lowest, highest } = levelRange(algorithm);
    for (const level of [lowest - 1, highest + 1, 1.5, Number.NaN]) {
      assert.throws(() => createBlockCompressor(algorithm, level), { name: 'CodecError', code: 'invalid' });
    }
    createBlockCompressor(algorithm, highest).close();
  });
}

test('blocks without the zlib handle: the same bytes', () => {
  for (const raw of [false, true]) {
    const options = { handle: false, raw };
    roundTrip(new ZlibBlockCompressor(9, options), new ZlibBlockDecompressor(options));
  }
  roundTrip(new ZstdBlockCompressor(3, { handle: false }), new ZstdBlockDecompressor({ handle: false }));
  const [one, two] = [new Uint8Array(blockSize * 3), new Uint8Array(blockSize * 3)];
  for (const block of blocks) {
    for (const raw of [false, true]) {
      const size = new ZlibBlockCompressor(9, { raw }).compress(block, one);
      assert.equal(new ZlibBlockCompressor(9, { handle: false, raw }).compress(block, two), size);
      assert.deepEqual(one.subarray(0, size), two.subarray(0, size));
    }
  }
});

test('zstd: a block is what zstdCompressSync makes, one segment with its size', () => {
  for (const level of [1, 3, 9, 15]) {
    const compressor = createBlockCompressor('zstd', level);
    for (const block of blocks) {
      const output = new Uint8Array(block.length + 1000);
      const size = compressor.compress(block, output);
      const expected = zstdCompressSync(block, { params: { [constants.ZSTD_c_compressionLevel]: level } });
      if (expected.length >= block.length) assert.equal(size, 0);
      else assert.ok(expected.equals(output.subarray(0, size)));
      // Bit 5 of the frame header's descriptor: the window is the content.
      if (size > 0) assert.equal(output[4]! & 0x20, 0x20);
    }
    compressor.close();
  }
});

test('gzip: a block is a zlib stream', () => {
  const compressor = createBlockCompressor('gzip', 9);
  for (const block of blocks) {
    const output = new Uint8Array(block.length);
    const size = compressor.compress(block, output);
    if (size === 0) continue;
    assert.ok(inflateSync(output.subarray(0, size)).equals(block));
    assert.ok(deflateSync(block, { level: 9 }).equals(output.subarray(0, size)));
  }
});

test('deflate: a block is deflate without a frame', () => {
  const compressor = createBlockCompressor('deflate', 6);
  for (const block of blocks) {
    const output = new Uint8Array(block.length);
    const size = compressor.compress(block, output);
    if (size === 0) continue;
    assert.ok(inflateRawSync(output.subarray(0, size)).equals(block));
    assert.ok(deflateRawSync(block, { level: 6 }).equals(output.subarray(0, size)));
  }
});

test('xz: the xz tool reads our blocks and we read its', {
  skip: noXz || requires({ tools: ['xz'] }),
}, () => {
  const output = new Uint8Array(blockSize * 2);
  const block = blocks[0]!;
  const size = createBlockCompressor('xz').compress(block, output);
  assert.ok(filter('xz', ['-dc'], output.subarray(0, size)).equals(block));
  assert.equal(output[7], 1, 'the check is CRC-32');
  const theirs = filter('xz', ['--check=crc32', '--lzma2=dict=128KiB', '-c'], block);
  assert.equal(createBlockDecompressor('xz').decompress(theirs, output), block.length);
  assert.ok(block.equals(output.subarray(0, block.length)));
});

test('lz4: the lz4 tool reads our blocks and we read its', { skip: requires({ tools: ['lz4'] }) }, () => {
  const compressor = createBlockCompressor('lz4');
  for (const block of blocks) {
    const packed = new Uint8Array(block.length);
    const size = compressor.compress(block, packed);
    if (size === 0) continue;
    // The legacy frame: a magic number, then each block behind its size.
    const head = Buffer.from([0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0]);
    head.writeUInt32LE(size, 4);
    assert.ok(filter('lz4', ['-dc'], Buffer.concat([head, packed.subarray(0, size)])).equals(block));
  }
  for (const level of ['-1', '-9']) {
    const frame = filter('lz4', ['-l', level, '-c'], content);
    const output = new Uint8Array(content.length);
    const block = frame.subarray(8, 8 + frame.readUInt32LE(4));
    assert.equal(createBlockDecompressor('lz4').decompress(block, output), content.length);
    assert.ok(content.equals(output));
  }
});
