import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { compressLz4Legacy, isLz4Legacy, readLz4Legacy } from '../../../src/bytes/codec/lz4-legacy.ts';
import { requires } from '../../requirement.ts';
import { filter, makeContent } from './streams.ts';

const skip = requires({ tools: ['lz4'] });
const mebibyte = 1024 * 1024;

/** Of each size that matters: nothing, less than a sequence, less than and more than a block; compressible and not. */
const contents = [
  Buffer.alloc(0),
  Buffer.from('x'),
  makeContent(300_000),
  randomBytes(300_000),
  Buffer.concat([Buffer.alloc(8 * mebibyte), makeContent(100_000)]),
  Buffer.concat([randomBytes(8 * mebibyte), randomBytes(14)]),
];

function read(stream: Uint8Array): Buffer {
  const pieces: Buffer[] = [];
  for (const piece of readLz4Legacy(stream)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

test('lz4 reads the legacy frames that are written, and the reverse', { skip }, () => {
  for (const content of contents) {
    const ours = compressLz4Legacy(content);
    assert.ok(isLz4Legacy(ours));
    if (content.length > 0) assert.ok(filter('lz4', ['-d', '-c'], Buffer.from(ours)).equals(content));
    assert.ok(read(ours).equals(content));
    assert.ok(read(filter('lz4', ['-l', '-9', '-c'], content)).equals(content));
  }
});

test('lz4: zeros after the legacy frame are its padding, other bytes are not', () => {
  const frame = compressLz4Legacy(makeContent(5000));
  assert.ok(read(Buffer.concat([frame, Buffer.alloc(4096)])).equals(makeContent(5000)));
  for (const bad of [
    Buffer.concat([frame, Buffer.from([0, 0, 0, 0, 1])]),
    Buffer.concat([frame, frame]),
    frame.subarray(0, frame.length - 1),
    frame.subarray(1),
  ]) {
    assert.throws(() => read(bad), { name: 'CodecError', code: 'corrupt' });
  }
});
