import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { GzipDecompressor } from '../../src/bytes/codec/gzip.ts';
import {
  type BlockAlgorithm,
  createBlockCompressor,
  createBlockDecompressor,
  isAvailable,
} from '../../src/bytes/codec/index.ts';
import { ZlibInflater } from '../../src/bytes/codec/inflater.ts';
import { PortableInflater } from '../../src/bytes/codec/portable-inflater.ts';
import { openIsalInflater } from '../../src/bytes/native/isal.ts';
import { createRandom, decompress, drain, filter, makeContent } from '../bytes/codec/streams.ts';
import { readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const content = makeContent(4000, seed);
const label = `SEED=${seed}`;

/** A few bytes changed, taken out, doubled or put in. */
function damage(stream: Uint8Array, random: (below: number) => number): Buffer {
  let result = Buffer.from(stream);
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(result.length);
    const kind = random(4);
    if (kind === 0) result[at] = random(256);
    else if (kind === 1) result[at]! ^= 1 << random(8);
    else if (kind === 2)
      result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + random(8))]);
    else result = Buffer.concat([result.subarray(0, at), result.subarray(at - random(at + 1))]);
    if (result.length === 0) return Buffer.from([0]);
  }
  return result;
}

function outcome(act: () => Buffer): { readonly bytes?: Buffer; readonly code?: string } {
  try {
    return { bytes: act() };
  } catch (error) {
    const { name, code } = error as { name: string; code: string };
    assert.equal(name, 'CodecError', `${label}: ${(error as Error).stack}`);
    assert.ok(['corrupt', 'unsupported', 'exhausted'].includes(code), `${label}: ${error}`);
    return { code };
  }
}

const streams: readonly (readonly [string, string | false, () => Buffer])[] = [
  ['gzip', false, () => Buffer.concat([gzipSync(content), gzipSync(content, { level: 1 })])],
  ['zstd', requires({ tools: ['zstd'] }), () => filter('zstd', ['-c'], content)],
  ['xz', requires({ tools: ['xz'] }), () => filter('xz', ['--block-size=2000', '-c'], content)],
  ['bzip2', requires({ tools: ['bzip2'] }), () => filter('bzip2', ['-1', '-c'], content)],
];

for (const [name, skip, make] of streams) {
  test(`fuzz: ${name} streams end in bytes or a typed error, the same at any cut (${label})`, {
    skip,
  }, () => {
    const random = createRandom(seed + 1);
    const stream = make();
    for (let round = 0; round < 150; round++) {
      const wrong = damage(stream, random);
      const whole = outcome(() => decompress(wrong, { chunk: 2 ** 20 }));
      const cut = outcome(() => decompress(wrong, { chunk: 1 + random(40), room: 1 + random(5000) }));
      assert.deepEqual(cut.bytes, whole.bytes, label);
      assert.equal(cut.code, whole.code, label);
    }
  });
}

test(`fuzz: every inflater accepts the same gzip streams (${label})`, () => {
  const random = createRandom(seed + 2);
  const engines = [() => new ZlibInflater(), () => new PortableInflater(), openIsalInflater];
  const usable = engines.filter(open => open() !== undefined);
  for (let round = 0; round < 300; round++) {
    const text = makeContent(1 + random(3000), seed + round);
    const stream = gzipSync(text, { level: 1 + random(9) });
    const tried = round % 3 === 0 ? stream : damage(stream, random);
    const results = usable.map(open =>
      outcome(() => drain(new GzipDecompressor(open()!), tried, { chunk: 1 + random(99) })),
    );
    for (const result of results) assert.deepEqual(result, results[0], `${label}, round ${round}`);
    if (round % 3 === 0) assert.ok(results[0]!.bytes?.equals(text), label);
  }
});

for (const algorithm of ['gzip', 'zstd', 'lz4', 'xz'] as const satisfies readonly BlockAlgorithm[]) {
  const availability = isAvailable(algorithm);
  const skip = availability.available ? false : availability.reason;
  test(`fuzz: ${algorithm} blocks, whole and damaged (${label})`, { skip }, () => {
    const random = createRandom(seed + 3);
    const compressor = createBlockCompressor(algorithm);
    const decompressor = createBlockDecompressor(algorithm);
    for (let round = 0; round < 300; round++) {
      const block = makeContent(1 + random(round % 10 === 0 ? 60_000 : 500), seed * 7 + round);
      const packed = new Uint8Array(block.length);
      const size = compressor.compress(block, packed);
      if (size === 0) continue;
      const back = new Uint8Array(block.length);
      assert.equal(decompressor.decompress(packed.subarray(0, size), back), block.length, label);
      assert.ok(block.equals(back), label);
      const guarded = Buffer.alloc(block.length + 32, 0x77);
      const wrong = damage(packed.subarray(0, size), random);
      outcome(() => {
        decompressor.decompress(wrong, guarded.subarray(16, 16 + block.length));
        return guarded;
      });
      assert.ok(
        guarded.subarray(0, 16).equals(Buffer.alloc(16, 0x77)),
        `${label}: written before the output`,
      );
      assert.ok(
        guarded.subarray(16 + block.length).equals(Buffer.alloc(16, 0x77)),
        `${label}: written behind the output`,
      );
    }
    compressor.close();
    decompressor.close();
  });
}

test(`fuzz: noise behind each magic number (${label})`, () => {
  const random = createRandom(seed + 4);
  const magics = ['1f8b0800', '28b52ffd', '502a4d18', 'fd377a585a00', '425a6839314159265359', ''];
  for (let round = 0; round < 300; round++) {
    const noise = Buffer.from(Array.from({ length: random(300) }, () => random(256)));
    const stream = Buffer.concat([Buffer.from(magics[round % magics.length]!, 'hex'), noise]);
    outcome(() => decompress(stream, { chunk: 1 + random(50) }));
    outcome(() => decompress(stream, { native: false }));
  }
});
