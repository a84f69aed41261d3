/** Which bytes of a file are there, against a plain list of booleans. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Extent, Extents } from '../../src/content/index.ts';
import { createRandom, readSeed } from '../model/random.ts';

const length = 40;

test('random runs, in any order and overlapping, against a bitmap', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const { integer: random } = createRandom(seed);
  for (let round = 0; round < 300; round++) {
    const extents = new Extents();
    const there = new Array<boolean>(length).fill(false);
    for (let step = 0; step < 12; step++) {
      const start = random(length);
      const end = start + random(Math.min(9, length - start + 1));
      extents.add(start, end);
      there.fill(true, start, end);
      assert.deepEqual(extents.list(), runs(there, true, 0, length));
      assert.equal(extents.total, there.filter(Boolean).length);
      assert.equal(extents.prefix, there.indexOf(false) === -1 ? length : there.indexOf(false));
      const from = random(length);
      const to = from + random(length - from + 1);
      assert.deepEqual(extents.gaps(from, to), runs(there, false, from, to), `gaps of ${from}-${to}`);
    }
    assert.deepEqual(new Extents(extents.list()).list(), extents.list());
  }
});

function runs(there: readonly boolean[], value: boolean, from: number, to: number): Extent[] {
  const found: { start: number; end: number }[] = [];
  for (let at = from; at < to; at++) {
    if (there[at] !== value) continue;
    const last = found.at(-1);
    if (last?.end === at) last.end = at + 1;
    else found.push({ start: at, end: at + 1 });
  }
  return found;
}
