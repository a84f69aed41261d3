import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotSize } from '../../src/erofs/layout.ts';
import { inlineTail, Placement } from '../../src/erofs/placement.ts';
import { createRandom, readSeed } from '../model/random.ts';

for (const blockSize of [512, 1024, 4096]) {
  test(`inodes in blocks of ${blockSize} do not overlap, and no tail crosses a block`, t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    const placement = new Placement(blockSize, slotSize);
    const ranges: [number, number][] = [];
    let bytes = 0;
    for (let count = 0; count < 5000; count++) {
      const head = 32 + 32 * random.integer(2) + 4 * random.integer(random.pick([1, 10, 2000]));
      const tail = random.integer(blockSize - slotSize + 1);
      const whole = head + tail <= blockSize && random.chance(0.2);
      const position = placement.place(head, tail, whole);
      assert.equal(position % slotSize, 0);
      assert.ok(position >= slotSize, 'nid 0 is kept free');
      const start = position + head;
      if (tail > 0) assert.equal(Math.floor(start / blockSize), Math.floor((start + tail - 1) / blockSize));
      if (whole) assert.ok((position % blockSize) + head + tail <= blockSize);
      ranges.push([position, start + tail]);
      bytes += head + tail;
    }
    ranges.sort(([a], [b]) => a - b);
    for (let at = 1; at < ranges.length; at++) assert.ok(ranges[at]![0] >= ranges[at - 1]![1], 'overlap');
    assert.ok(ranges.at(-1)![1] <= placement.end);
    t.diagnostic(`${((100 * bytes) / placement.end).toFixed(1)} % of the area is used`);
  });
}

test('every tail that is promised has a place, whatever is in front of it', () => {
  const blockSize = 512;
  for (let head = 32; head <= 32 + blockSize; head += 4) {
    for (const tail of [1, blockSize - slotSize - 1, blockSize - slotSize]) {
      assert.equal(inlineTail(blockSize + tail, blockSize), tail);
      for (const before of [0, 4, 480, 484, 511]) {
        const placement = new Placement(blockSize, slotSize);
        placement.place(32 + 4 * Math.floor(before / 4), 0, false);
        const start = placement.place(head, tail, false) + head;
        assert.ok((start % blockSize) + tail <= blockSize);
      }
    }
  }
});

test('a tail is kept back only where there is one, and room for it everywhere', () => {
  assert.equal(inlineTail(0, 4096), 0);
  assert.equal(inlineTail(8192, 4096), 0);
  assert.equal(inlineTail(1, 4096), 1);
  assert.equal(inlineTail(4096 + 4064, 4096), 4064);
  assert.equal(inlineTail(4065, 4096), 0);
  assert.equal(inlineTail(4095, 4096), 0);
  assert.equal(inlineTail(2 ** 40 + 100, 512), 100);
});

test('small inodes go where large tails left room', () => {
  const placement = new Placement(4096, slotSize);
  assert.equal(placement.place(32, 2000, false), 32);
  const large = placement.place(32, 4000, false);
  assert.ok(large > 2064);
  assert.equal(placement.place(32, 10, false), 2080);
  assert.equal(placement.place(64, 0, false), 2144);
});
