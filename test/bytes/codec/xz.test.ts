import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Crc64 } from '../../../src/bytes/codec/crc64.ts';
import { requires } from '../../requirement.ts';
import { cuts, decompress, filter, makeContent } from './streams.ts';

const content = makeContent(150_000);
const skip = requires({ tools: ['xz'] });

test('xz: what xz writes, at any cut', { skip }, () => {
  const streams = [
    ...['-0', '-9e', '--check=none', '--check=crc32', '--check=crc64', '--check=sha256'],
    ...[
      '--lzma2=lc=0,lp=2,pb=0',
      '--lzma2=lc=4,lp=0,pb=4',
      '--lzma2=dict=4KiB',
      '--lzma2=dict=48KiB,mf=bt2,nice=2',
    ],
    ...['--block-size=40000'],
  ].map(option => filter('xz', [option, '-c'], content));
  streams.push(filter('xz', ['-T2', '--block-size=100000', '-c'], content));
  streams.push(filter('xz', ['--flush-timeout=1', '-c'], content));
  for (const stream of streams) {
    for (const cut of cuts) {
      assert.ok(decompress(stream, cut).equals(content));
    }
  }
});

test('xz: all streams, with padding between and after them', { skip }, () => {
  const parts = [content.subarray(0, 2000), Buffer.alloc(0), Buffer.from('x')];
  const [one, two, three] = parts.map(part => filter('xz', ['-c'], part));
  const stream = Buffer.concat([one!, two!, Buffer.alloc(8), three!, Buffer.alloc(5)]);
  for (const chunk of [1, 2, 7, 511, 4096]) {
    for (const room of [1, 100, 4096])
      assert.ok(decompress(stream, { chunk, room }).equals(Buffer.concat(parts)));
  }
  assert.throws(() => decompress(Buffer.concat([one!, Buffer.alloc(3), two!])), { code: 'corrupt' });
});

test('xz: a dictionary smaller than the data wraps round', { skip }, () => {
  const long = makeContent(1_500_000, 7);
  const stream = filter('xz', ['--lzma2=preset=1,dict=96KiB', '-c'], long);
  assert.ok(decompress(stream, { chunk: 5000, room: 70_000 }).equals(long));
});

test('xz: noise is stored, not coded', { skip }, () => {
  const noise = makeContent(200_000, 3).map(
    (byte, at) => byte ^ ((Math.imul(at + 1, 2654435761) >>> 24) & 255),
  );
  const stream = filter('xz', ['-c'], noise);
  assert.ok(decompress(stream).equals(noise));
});

test('xz: the x86 filter, on machine code and on noise of its opcodes, at any cut', { skip }, () => {
  // Close calls with all kinds of high bytes are where decoders differ.
  const alphabet = [0xe8, 0xe9, 0x00, 0xff, 0x01, 0x7f];
  const dense = makeContent(100_000, 11).map((byte, at) => alphabet[(byte + at * 7) % 6] ?? 0);
  const code = readFileSync(process.execPath).subarray(20_000_000, 20_400_000);
  for (const bytes of [dense, code, dense.subarray(0, 1), dense.subarray(0, 4), dense.subarray(0, 6)]) {
    for (const option of ['--x86', '--x86=start=4294963200', '--x86=start=512']) {
      const stream = filter('xz', [option, '--lzma2=preset=1', '-c'], Buffer.from(bytes));
      assert.ok(decompress(stream).equals(bytes));
      assert.ok(decompress(stream, { chunk: 4093, room: 5 }).equals(bytes));
      assert.ok(decompress(stream, { chunk: 100_000, room: 70_001 }).equals(bytes));
    }
  }
  const blocks = filter('xz', ['-T1', '--block-size=30000', '--x86', '--lzma2', '-c'], code);
  assert.ok(decompress(blocks, { chunk: 999, room: 1000 }).equals(code));
});

test('xz: other filters are refused by name', { skip }, () => {
  const filtered = (...options: string[]): Buffer => filter('xz', [...options, '--lzma2', '-c'], content);
  assert.throws(() => decompress(filtered('--arm')), { code: 'unsupported', message: /ARM/ });
  assert.throws(() => decompress(filtered('--delta')), { code: 'unsupported', message: /delta/ });
  assert.throws(() => decompress(filtered('--x86', '--delta')), { code: 'unsupported' });
  assert.throws(() => decompress(filtered('--delta', '--x86')), { code: 'unsupported' });
});

test('xz: a dictionary beyond 128 MiB is refused with its size', { skip }, () => {
  const stream = filter('xz', ['--lzma2=dict=192MiB', '-c'], Buffer.from('x'));
  assert.throws(() => decompress(stream), { code: 'exhausted', message: /201326592/ });
});

test('xz: the CRC-64 of its catalogue entry', () => {
  const crc = new Crc64();
  crc.update(Buffer.from('12345'));
  crc.update(Buffer.from('6789'));
  // "CRC-64/XZ" of the usual nine digits.
  assert.equal(Buffer.from(crc.digest()).readBigUInt64LE(), 0x995dc9bbdf1939fan);
});
