/** Chunks of a tar are what the file is: read one by one, as the kernel does, they give its bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChunkedData } from '../../src/erofs/data.ts';
import { tarChunks } from '../../src/stack/tar-index/tar-chunks.ts';
import type { SparseSegment } from '../../src/tar/index.ts';
import { createRandom, readSeed } from '../model/random.ts';

const seed = readSeed();
const random = createRandom(seed);

interface Sample {
  readonly size: number;
  readonly segments: readonly SparseSegment[] | undefined;
  /** Where the data lies in the tar. */
  readonly offset: number;
  readonly tar: Buffer;
  readonly expected: Buffer;
}

/** Boundaries are multiples of `unit`; what surrounds the data in the tar is no zeros. */
function createSample(unit: number, isSparse: boolean): Sample {
  const pieces = 1 + random.integer(12);
  const segments: SparseSegment[] = [];
  let end = 0;
  for (let index = 0; index < pieces; index += 1) {
    const offset = end + unit * random.integer(6);
    const length = unit * (1 + random.integer(5));
    segments.push({ offset, length });
    end = offset + length;
  }
  // The end of a file need not be a block's, be it data or a hole.
  const ending = random.integer(3);
  if (ending === 0) end -= random.integer(unit);
  else if (ending === 1) end += random.integer(unit * 10);
  else segments.pop();
  const last = segments.at(-1);
  if (last !== undefined) {
    segments[segments.length - 1] = { ...last, length: Math.min(last.length, end - last.offset) };
  }
  const size = end;
  const stored = isSparse ? segments.reduce((total, { length }) => total + length, 0) : size;
  const offset = 512 * (1 + random.integer(10));
  const tar = Buffer.alloc(offset + Math.ceil(stored / 512) * 512 + 512, 0xee);
  for (let at = offset; at < offset + stored; at += 1) tar[at] = 1 + random.integer(255);
  const expected = Buffer.alloc(size);
  let from = offset;
  for (const segment of isSparse ? segments : [{ offset: 0, length: size }]) {
    tar.copy(expected, segment.offset, from, from + segment.length);
    from += segment.length;
  }
  return { size, segments: isSparse ? segments : undefined, offset, tar, expected };
}

function readChunks({ chunkBytes, starts }: ChunkedData, size: number, tar: Buffer): Buffer {
  const bytes = Buffer.alloc(size);
  assert.equal(starts.length, Math.ceil(size / chunkBytes));
  for (let chunk = 0; chunk < starts.length; chunk += 1) {
    const start = starts[chunk]!;
    if (start === -1) continue;
    assert.ok(start % 512 === 0 && start >= 0);
    const at = chunk * chunkBytes;
    const length = Math.min(chunkBytes, size - at);
    assert.ok(start + length <= tar.length, 'a chunk beyond the tar');
    tar.copy(bytes, at, start, start + length);
  }
  return bytes;
}

function isValidSize(chunkBytes: number): void {
  const bits = Math.log2(chunkBytes / 512);
  assert.ok(Number.isInteger(bits) && bits >= 0 && bits <= 31, `chunks of ${chunkBytes}`);
}

test(`whatever is made of blocks can be pointed at (SEED=${seed})`, () => {
  for (let round = 0; round < 2000; round += 1) {
    const unit = random.pick([512, 1024, 4096, 65_536, 512 * 3]);
    const sample = createSample(unit, random.chance(0.8));
    if (sample.size === 0) continue;
    const data = tarChunks(sample, sample.offset);
    assert.ok(data !== undefined, `round ${round}`);
    isValidSize(data.chunkBytes);
    assert.ok(readChunks(data, sample.size, sample.tar).equals(sample.expected), `round ${round}`);
    if (unit === 65_536)
      assert.ok(sample.size < 65_536 || data.chunkBytes >= 65_536, 'chunks as large as can be');
    if (sample.segments === undefined) assert.equal(data.starts.length, 1);
  }
});

test(`what is not, is not, unless it only ends so (SEED=${seed})`, () => {
  let refused = 0;
  for (let round = 0; round < 1000; round += 1) {
    const sample = createSample(random.pick([256, 1, 100]), true);
    if (sample.size === 0) continue;
    const data = tarChunks(sample, sample.offset);
    if (data === undefined) refused += 1;
    else assert.ok(readChunks(data, sample.size, sample.tar).equals(sample.expected), `round ${round}`);
  }
  assert.ok(refused > 300);
});

test('sizes at the limits of a chunk', () => {
  for (const size of [1, 511, 512, 513, 2 ** 31, 2 ** 32 + 1, 2 ** 40 - 1, 2 ** 40]) {
    const data = tarChunks({ size, segments: undefined }, 2 ** 35)!;
    assert.deepEqual([...Array.from(data.starts)], [2 ** 35], `${size}`);
    isValidSize(data.chunkBytes);
    assert.ok(data.chunkBytes >= size && (data.chunkBytes === 512 || data.chunkBytes < size * 2));
  }
  const data = tarChunks({ size: 2 ** 41 + 1, segments: undefined }, 1024)!;
  isValidSize(data.chunkBytes);
  assert.deepEqual([...Array.from(data.starts)], [1024, 1024 + 2 ** 40, 1024 + 2 ** 41]);
});

test('a file of nothing but a hole has no data', () => {
  const data = tarChunks({ size: 2 ** 33 + 5, segments: [] }, 512)!;
  assert.deepEqual([...Array.from(data.starts)], [-1]);
});

test('a map is as long as its data is worth, and no longer', () => {
  const strewn = (count: number, distance: number, length: number) => ({
    size: count * distance,
    segments: Array.from({ length: count }, (_, index) => ({ offset: index * distance, length })),
  });
  // A disk image of 2 GiB, half of which is there, a page each.
  assert.equal(tarChunks(strewn(2 ** 18, 8192, 4096), 512)?.starts.length, 2 ** 19);
  // The same few blocks in 2 TiB would take chunks of 512 bytes: 2^32 of them.
  assert.equal(tarChunks({ ...strewn(2, 2 ** 40, 512) }, 512), undefined);
  assert.equal(tarChunks({ ...strewn(1000, 2 ** 20, 512) }, 512), undefined);
  assert.notEqual(tarChunks({ ...strewn(32, 2 ** 20, 512) }, 512), undefined);
});

test('segments that touch are one run', () => {
  const segments = [
    { offset: 0, length: 100 },
    { offset: 100, length: 924 },
  ];
  const data = tarChunks({ size: 4096, segments }, 2048)!;
  assert.deepEqual([data.chunkBytes, [...Array.from(data.starts)]], [1024, [2048, -1, -1, -1]]);
});
