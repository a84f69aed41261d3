import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requires } from '../../requirement.ts';
import { cuts, decompress, filter, makeContent } from './streams.ts';

const content = makeContent(350_000);
const skip = requires({ tools: ['bzip2'] });

test('bzip2: what bzip2 writes, at any cut', { skip }, () => {
  for (const level of ['-1', '-2', '-9']) {
    const stream = filter('bzip2', [level, '-c'], content);
    for (const cut of cuts) {
      assert.ok(decompress(stream, cut).equals(content));
    }
  }
});

test('bzip2: all streams, empty ones too, then zeros', { skip }, () => {
  const parts = [content.subarray(0, 2000), Buffer.alloc(0), Buffer.from('x')];
  const streams = parts.map(part => filter('bzip2', ['-c'], part));
  const stream = Buffer.concat([...streams, Buffer.alloc(5)]);
  for (const chunk of [1, 2, 7, 511, 4096]) {
    for (const room of [1, 100, 4096])
      assert.ok(decompress(stream, { chunk, room }).equals(Buffer.concat(parts)));
  }
});

test('bzip2: runs of every length around those that its run-length coding tells apart', { skip }, () => {
  const runs = [1, 2, 3, 4, 5, 6, 254, 255, 256, 258, 259, 260, 262, 263, 264, 600];
  const text = Buffer.concat(runs.map((length, at) => Buffer.alloc(length, at % 3)));
  assert.ok(decompress(filter('bzip2', ['-c'], text), { room: 3 }).equals(text));
  const zeros = Buffer.alloc(1_200_000);
  assert.ok(decompress(filter('bzip2', ['-1', '-c'], zeros)).equals(zeros));
});

test('bzip2: every byte value, no matter how many', { skip }, () => {
  const all = Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 7 + (at >> 8)) & 255));
  assert.ok(decompress(filter('bzip2', ['-c'], all)).equals(all));
});

test('bzip2: randomised blocks are refused as such', { skip }, () => {
  const stream = filter('bzip2', ['-c'], Buffer.from('some text'));
  // Header 4, magic 6, checksum 4 bytes; then the flag.
  stream[14]! |= 0x80;
  assert.throws(() => decompress(stream), { code: 'unsupported', message: /randomised/ });
});
