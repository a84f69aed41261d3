import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChunkedData, hole } from '../../src/erofs/data.ts';
import { FileLayout } from '../../src/erofs/file-layout.ts';

test('many small segments, far apart, do not make gigabytes of stored holes', () => {
  const [count, distance, size] = [20_000, 5_000_000, 100 * 2 ** 30];
  const segments = Array.from({ length: count }, (_, index) => ({ offset: index * distance, length: 512 }));
  const layout = new FileLayout(4096, 4096);
  const { chunkBytes, starts } = layout.place(size, segments) as ChunkedData;
  assert.equal(starts.length, Math.ceil(size / chunkBytes));
  for (const { offset, length } of segments) {
    assert.notEqual(starts[Math.floor(offset / chunkBytes)], hole);
    assert.notEqual(starts[Math.floor((offset + length - 1) / chunkBytes)], hole);
  }
  // Without a bound by segments it is 2 MiB for each of them: 42 GB to be hashed, of a layer of some kilobytes.
  assert.ok(layout.end < 4 * 2 ** 30, `${layout.end} bytes`);
  // And the index is not the price: 64 chunks a segment.
  assert.ok(starts.length <= 64 * count);
});

test('few segments have an index of no more than 65536 chunks', () => {
  const layout = new FileLayout(4096, 4096);
  const { starts } = layout.place(2 ** 40, [{ offset: 0, length: 1 }]) as ChunkedData;
  assert.equal(starts.length, 65536);
});
