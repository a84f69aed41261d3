import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlabPool, slabBytes } from '../../../src/bytes/pool/index.ts';
import { createRandom, readSeed } from '../../model/random.ts';

const none = () => 0;

function takeAll(pool: SlabPool): number[] {
  const taken: number[] = [];
  for (let slab = pool.take(); slab !== undefined; slab = pool.take()) taken.push(slab);
  return taken;
}

test('slabs lie apart, have room for their payload and are found by any offset in them', () => {
  const pool = new SlabPool(4);
  const starts = takeAll(pool)
    .map(slab => SlabPool.start(slab))
    .sort((a, b) => a - b);
  assert.equal(new Set(starts).size, 4);
  for (const [index, start] of starts.entries()) {
    const end = starts[index + 1] ?? pool.bytes.length;
    assert.ok(end - start > slabBytes, `${end - start} bytes`);
    assert.equal(SlabPool.of(start), SlabPool.of(end - 1));
    assert.equal(SlabPool.start(SlabPool.of(end - 1)), start);
  }
  assert.equal(pool.bytes.buffer, pool.memory);
});

test('a slab is free when its last reference is released, not before, and is used again first', () => {
  const pool = new SlabPool(3);
  const slab = pool.take()!;
  pool.retain(slab);
  pool.retain(slab);
  pool.release(slab);
  pool.release(slab);
  assert.equal(pool.free, 2);
  assert.ok(!takeAll(pool).includes(slab));
  pool.release(slab);
  assert.equal(pool.free, 1);
  assert.equal(pool.take(), slab);
  // One reference again, not what was left of the others.
  pool.release(slab);
  assert.equal(pool.free, 1);
});

test('no more than what is free beyond the reserve can be taken', () => {
  const pool = new SlabPool(3);
  assert.equal(pool.take(3), undefined);
  assert.notEqual(pool.take(2), undefined);
  assert.equal(pool.take(2), undefined);
  assert.notEqual(pool.take(1), undefined);
  assert.notEqual(pool.take(), undefined);
  assert.equal(pool.take(), undefined);
});

test('requests are served in order, but one that waits for its reserve holds up nobody', () => {
  const pool = new SlabPool(4);
  const slabs = takeAll(pool);
  const served: string[] = [];
  pool.request(
    () => 2,
    () => served.push('careful'),
  );
  pool.request(none, () => served.push('first'));
  pool.request(none, () => served.push('second'));
  assert.equal(served.length, 0);
  pool.release(slabs[0]!);
  assert.deepEqual(served, ['first']);
  pool.release(slabs[1]!);
  assert.deepEqual(served, ['first', 'second']);
  pool.release(slabs[2]!);
  pool.release(slabs[3]!);
  assert.deepEqual(served, ['first', 'second']);
  // Three are more than two; and of them one is its own now.
  pool.request(
    () => 3,
    () => served.push('never'),
  );
  const back = takeAll(pool);
  assert.equal(back.length, 2);
  for (const slab of back) pool.release(slab);
  assert.deepEqual(served, ['first', 'second']);
});

test('a request whose reserve has become smaller is served by `serve`', () => {
  const pool = new SlabPool(2);
  let reserve = 2;
  let served = 0;
  pool.request(
    () => reserve,
    () => {
      served += 1;
    },
  );
  pool.serve();
  assert.equal(served, 0);
  reserve = 1;
  pool.serve();
  assert.equal(served, 1);
  pool.serve();
  assert.deepEqual([served, pool.free], [1, 1]);
});

test('who is given a slab may request, release and take at once', () => {
  const pool = new SlabPool(2);
  const held = takeAll(pool);
  const served: string[] = [];
  pool.request(none, slab => {
    served.push('a');
    // Served from within, after those that came before.
    pool.request(none, inner => {
      served.push('c');
      pool.release(inner);
    });
    pool.release(slab);
  });
  pool.request(none, slab => {
    served.push('b');
    pool.release(slab);
  });
  pool.release(held[0]!);
  assert.deepEqual(served, ['a', 'b', 'c']);
  assert.equal(pool.free, 1);
  pool.release(held[1]!);
  assert.equal(pool.free, 2);
});

test('whatever the order, nobody has a slab that is another’s, and when all is released all are served', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  for (let round = 0; round < 200; round++) {
    const random = createRandom(seed + round);
    const what = `SEED=${seed + round}`;
    const count = 1 + random.integer(8);
    const pool = new SlabPool(count);
    /** The references that each slab must have. */
    const references = new Map<number, number>();
    let requested = 0;
    let served = 0;
    const receive = (slab: number): void => {
      assert.ok(!references.has(slab), `${what}: slab ${slab} was given to two`);
      references.set(slab, 1);
      served += 1;
      if (random.chance(0.2)) release(slab);
      if (random.chance(0.2) && requested < 150) request();
    };
    const request = (): void => {
      requested += 1;
      const reserve = random.integer(count);
      pool.request(
        () => reserve,
        slab => {
          assert.ok(pool.free >= reserve, `${what}: the reserve of ${reserve} was touched`);
          receive(slab);
        },
      );
    };
    const release = (slab: number): void => {
      const left = references.get(slab)! - 1;
      if (left === 0) references.delete(slab);
      else references.set(slab, left);
      pool.release(slab);
    };
    for (let step = 0; step < 100; step++) {
      const slab = references.size === 0 ? undefined : random.pick([...references.keys()]);
      if (slab === undefined || random.chance(0.4)) request();
      else if (random.chance(0.2)) {
        references.set(slab, references.get(slab)! + 1);
        pool.retain(slab);
      } else release(slab);
      assert.equal(pool.free, count - references.size, what);
    }
    for (let slab = [...references.keys()][0]; slab !== undefined; slab = [...references.keys()][0])
      release(slab);
    assert.equal(served, requested, `${what}: requests were forgotten`);
    assert.equal(pool.free, count, what);
  }
});
