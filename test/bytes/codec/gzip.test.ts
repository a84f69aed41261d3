import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateRawSync, constants as z } from 'node:zlib';
import { GzipDecompressor } from '../../../src/bytes/codec/gzip.ts';
import { type Inflater, ZlibInflater } from '../../../src/bytes/codec/inflater.ts';
import { PortableInflater } from '../../../src/bytes/codec/portable-inflater.ts';
import { openIsalInflater } from '../../../src/bytes/native/isal.ts';
import { requires } from '../../requirement.ts';
import { cuts, drain, filter, makeContent } from './streams.ts';

const content = makeContent(100_000);
const engines: readonly (readonly [string, () => Inflater | undefined])[] = [
  ['libisal', openIsalInflater],
  ['zlib', () => new ZlibInflater()],
  ['portable', () => new PortableInflater()],
];

/** A member whose header has all that a header may have. */
function fullMember(data: Uint8Array): Buffer {
  const header = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 2 + 4 + 8 + 16, 1, 2, 3, 4, 0, 255, 5, 0]),
    Buffer.from('extraname\0comment\0'),
  ]);
  const headerCrc = Buffer.alloc(2);
  headerCrc.writeUInt16LE(crc32(header) % 0x10000);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(data));
  trailer.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, headerCrc, deflateRawSync(data), trailer]);
}

for (const [name, open] of engines) {
  const skip = open() === undefined ? 'libisal.so.2 is not installed, or has another layout' : false;
  const unpack = (stream: Uint8Array, chunk?: number, room?: number): Buffer =>
    drain(new GzipDecompressor(open()!), stream, { ...(chunk && { chunk }), ...(room && { room }) });

  test(`gzip, ${name}: what gzip and pigz write, at any cut`, {
    skip: skip || requires({ tools: ['gzip', 'pigz'] }),
  }, () => {
    const streams = [
      filter('gzip', ['-1'], content),
      filter('gzip', ['-9'], content),
      filter('pigz', ['-p3', '-b128'], content),
      filter('pigz', ['-i', '-b128'], content),
    ];
    for (const stream of streams) {
      for (const cut of cuts)
        assert.ok(unpack(stream, cut.chunk, cut.room).equals(content), `${cut.chunk} ${cut.room}`);
    }
  });

  test(`gzip, ${name}: all members, empty ones too, at any cut and any room`, { skip }, () => {
    const parts = [content.subarray(0, 700), Buffer.alloc(0), Buffer.from('x'), content.subarray(700, 3000)];
    const stream = Buffer.concat([...parts.map(fullMember), Buffer.alloc(513)]);
    for (const chunk of [1, 2, 3, 5, 7, 8, 64, 511, 4096]) {
      for (const room of [1, 2, 100, 700, 701, 4096]) {
        assert.ok(unpack(stream, chunk, room).equals(Buffer.concat(parts)), `${chunk} ${room}`);
      }
    }
  });

  test(`gzip, ${name}: every kind of block`, { skip }, () => {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(crc32(content));
    trailer.writeUInt32LE(content.length, 4);
    for (const options of [
      { level: 0 },
      { strategy: z.Z_FIXED },
      { strategy: z.Z_HUFFMAN_ONLY },
      { strategy: z.Z_RLE },
    ]) {
      const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
      const stream = Buffer.concat([header, deflateRawSync(content, options), trailer]);
      for (const chunk of [7, 511, 2 ** 20]) {
        for (const room of [100, 2 ** 16]) assert.ok(unpack(stream, chunk, room).equals(content));
      }
    }
  });

  test(`gzip, ${name}: refuses another checksum, another length, another header checksum`, { skip }, () => {
    const stream = fullMember(content.subarray(0, 100));
    for (const at of [stream.length - 8, stream.length - 1, 15, 31]) {
      const wrong = Buffer.from(stream);
      wrong[at]! ^= 1;
      assert.throws(() => unpack(wrong), { name: 'CodecError', code: 'corrupt' }, `byte ${at}`);
    }
  });

  test(`gzip, ${name}: a bomb needs no more memory than a book`, { skip }, () => {
    const bomb = fullMember(Buffer.alloc(2 ** 22));
    const decompressor = new GzipDecompressor(open()!);
    const output = new Uint8Array(2 ** 16);
    decompressor.push(bomb);
    let total = 0;
    for (let size = decompressor.read(output); size > 0; size = decompressor.read(output)) total += size;
    decompressor.finish();
    decompressor.close();
    assert.equal(total, 2 ** 22);
  });
}
