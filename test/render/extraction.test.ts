/** A layer's contents are where `FileLayout` says, at any size, order and shape, and nothing else is written. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hole } from '../../src/erofs/data.ts';
import { FileLayout, type Segment } from '../../src/erofs/file-layout.ts';
import { Extraction } from '../../src/render/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';

const seed = readSeed();
const random = createRandom(seed);
const randomInt = (bound: number) => random.integer(bound);
const randomBytes = (size: number) => Buffer.from(Uint8Array.from({ length: size }, () => randomInt(256)));

interface File {
  readonly bytes: Buffer;
  readonly segments: readonly Segment[] | undefined;
}

/** A file of random bytes, or one with holes. */
function randomFile(): File {
  const size = [0, 1, 511, 4095, 4096, 4097, randomInt(70_000), randomInt(500_000)][randomInt(8)]!;
  const bytes = randomBytes(size);
  if (randomInt(3) > 0) return { bytes, segments: undefined };
  const segments: Segment[] = [];
  for (let at = 0; at < size; ) {
    const gap = Math.min(randomInt(20_000), size - at);
    bytes.fill(0, at, at + gap);
    at += gap;
    const length = Math.min(randomInt(9000), size - at);
    if (length > 0) segments.push({ offset: at, length });
    at += length;
  }
  return { bytes, segments };
}

/** Hands a file over as a tar parser does: in views of memory that is used again after `flush`. */
function handOver(extraction: Extraction, { bytes, segments }: File, memory: Buffer): void {
  if (bytes.length === 0) return;
  extraction.begin(bytes.length, segments);
  let at = 0;
  for (const { offset, length } of [
    ...(segments ?? [{ offset: 0, length: bytes.length }]),
    { offset: bytes.length, length: 0 },
  ]) {
    if (offset > at) extraction.hole(offset - at);
    for (at = offset; at < offset + length; ) {
      const take = Math.min(1 + randomInt(memory.length), offset + length - at);
      bytes.copy(memory, 0, at, at + take);
      extraction.data(memory.subarray(0, take));
      extraction.flush();
      memory.fill(0xee);
      at += take;
    }
  }
}

test(`every content is at its place, and the rest is zeros (SEED=${seed})`, () => {
  using scratch = createScratch();
  for (let round = 0; round < 30; round++) {
    const [start, blockBytes] = [4096, round % 3 === 0 ? 512 : 4096];
    const path = join(scratch.path, `image-${round}`);
    writeFileSync(path, '');
    const files = Array.from({ length: 1 + randomInt(40) }, randomFile);
    {
      using extraction = new Extraction({ path, start, blockBytes });
      const memory = Buffer.alloc(100_000);
      for (const file of files) handOver(extraction, file, memory);
    }
    const layout = new FileLayout(blockBytes, start);
    const image = Buffer.concat([readFileSync(path), Buffer.alloc(2_000_000)]);
    const expected = Buffer.alloc(image.length);
    for (const { bytes, segments } of files) {
      const data = layout.place(bytes.length, segments);
      if (data.kind === 'plain') bytes.copy(expected, data.start);
      else if (data.kind === 'chunked') {
        for (const [chunk, position] of Array.from(data.starts).entries()) {
          const piece = bytes.subarray(chunk * data.chunkBytes, (chunk + 1) * data.chunkBytes);
          if (position === hole)
            assert.ok(
              piece.every(byte => byte === 0),
              'a hole is zeros',
            );
          else piece.copy(expected, position);
        }
      }
    }
    assert.ok(statSync(path).size <= layout.end);
    assert.ok(image.equals(expected.subarray(0, image.length)), `round ${round}`);
  }
});

test('a file of a tebibyte with a few bytes takes a few blocks', () => {
  using scratch = createScratch();
  const path = join(scratch.path, 'image');
  writeFileSync(path, '');
  const size = 2 ** 40;
  const segments = [{ offset: size / 2 + 5, length: 3 }];
  using extraction = new Extraction({ path, start: 4096, blockBytes: 4096 });
  extraction.begin(size, segments);
  extraction.hole(size / 2 + 5);
  extraction.data(Buffer.from('abc'));
  extraction.hole(size / 2 - 8);
  extraction.flush();
  const data = new FileLayout(4096, 4096).place(size, segments);
  assert.equal(data.kind, 'chunked');
  assert.ok(statSync(path).blocks * 512 < 2 ** 20);
  const starts = Array.from((data as Extract<typeof data, { kind: 'chunked' }>).starts);
  assert.deepEqual(
    starts.filter(start => start !== hole),
    [4096],
  );
  assert.equal(readFileSync(path).toString('latin1', 4096 + 5, 4096 + 8), 'abc');
});
