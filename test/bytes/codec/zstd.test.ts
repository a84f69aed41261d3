import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { PortableZstdDecompressor } from '../../../src/bytes/codec/portable-zstd.ts';
import type { Decompressor } from '../../../src/bytes/codec/types.ts';
import { ZstdDecompressor } from '../../../src/bytes/codec/zstd.ts';
import { requires } from '../../requirement.ts';
import { cuts, decompress, drain, filter, makeContent } from './streams.ts';

const content = makeContent(200_000);
const engines: readonly (readonly [string, () => Decompressor])[] = [
  ['handle', () => new ZstdDecompressor()],
  ['portable', () => new PortableZstdDecompressor()],
];

function skippable(magic: number, size: number): Buffer {
  const frame = Buffer.alloc(8 + size, 0x28);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

for (const [name, open] of engines) {
  test(`zstd, ${name}: what zstd and pzstd write, at any cut`, {
    skip: requires({ tools: ['zstd', 'pzstd'] }),
  }, () => {
    const streams = [
      ...['-1', '-3', '-19', '--fast=5', '--long=24', '--no-check'].map(option =>
        filter('zstd', [option, '-c'], content),
      ),
      filter('zstd', ['-1', '-T2', '-B100KB', '-c'], content),
      filter('pzstd', ['-p', '3', '-c'], content),
    ];
    for (const stream of streams) {
      for (const cut of cuts) assert.ok(drain(open(), stream, cut).equals(content));
    }
  });

  test(`zstd, ${name}: all frames, empty and skippable ones too, then zeros`, () => {
    const parts = [content.subarray(0, 3000), Buffer.alloc(0), Buffer.from('x')];
    const frames = parts.map(part =>
      zstdCompressSync(part, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    );
    const stream = Buffer.concat([
      skippable(0x184d2a50, 5),
      frames[0]!,
      frames[1]!,
      skippable(0x184d2a5f, 0),
      skippable(0x184d2a57, 1000),
      frames[2]!,
      Buffer.alloc(700),
    ]);
    for (const chunk of [1, 2, 3, 5, 7, 64, 511, 4096]) {
      for (const room of [1, 2, 100, 3000, 4096]) {
        assert.ok(drain(open(), stream, { chunk, room }).equals(Buffer.concat(parts)), `${chunk} ${room}`);
      }
    }
  });

  test(`zstd, ${name}: refuses another content checksum`, { skip: requires({ tools: ['zstd'] }) }, () => {
    const stream = filter('zstd', ['--check', '-c'], content);
    stream[stream.length - 1]! ^= 1;
    assert.throws(() => drain(open(), stream), { name: 'CodecError', code: 'corrupt' });
  });
}

test('zstd: a window beyond 128 MiB is refused with its size', () => {
  // Magic, descriptor without anything, window descriptor: 2^(10+18) and 2^(10+17).
  const head = (window: number): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, window * 8, 1, 0, 0]);
  assert.throws(() => decompress(head(18)), { code: 'unsupported', message: /268435456/ });
  assert.equal(decompress(head(17)).length, 0);
});

test('zstd: a frame that needs a dictionary is refused as such', () => {
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0]);
  assert.throws(() => decompress(frame), { code: 'unsupported', message: /dictionary/ });
});

test('zstd: skippable frames alone are a stream without bytes', () => {
  assert.equal(decompress(skippable(0x184d2a53, 9)).length, 0);
});

test('zstd, portable: a frame larger than its limit is refused', () => {
  const frame = zstdCompressSync(Buffer.alloc(100_000));
  assert.throws(() => drain(new PortableZstdDecompressor({ limit: 50_000 }), frame), { code: 'exhausted' });
});
