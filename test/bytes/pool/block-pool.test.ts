import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type BlockAlgorithm, createBlockDecompressor } from '../../../src/bytes/codec/index.ts';
import { BlockPool, type BlockResult, SlabPool, slabBytes, zeroSpan } from '../../../src/bytes/pool/index.ts';
import { ShaleError } from '../../../src/error/index.ts';

const blockBytes = 4096;

interface Bench extends AsyncDisposable {
  readonly slabs: SlabPool;
  readonly pool: BlockPool;
  readonly failures: unknown[];
  /** Puts bytes into a slab of their own, `gap` bytes behind its start. */
  place(bytes: Uint8Array, gap?: number): [number, number];
  /** Rejects when the pool fails. */
  run(spans: readonly number[]): Promise<BlockResult>;
}

function createBench(options: {
  algorithm?: BlockAlgorithm;
  threads?: number;
  count?: number;
  blockBytes?: number;
}): Bench {
  const { algorithm, threads = 1, count = 12 } = options;
  const slabs = new SlabPool(count);
  const failures: unknown[] = [];
  const waiting = new Set<(error: unknown) => void>();
  const pool = new BlockPool(
    { slabs, threads, algorithm, level: undefined, blockBytes: options.blockBytes ?? blockBytes },
    error => {
      failures.push(error);
      for (const reject of waiting) reject(error);
    },
  );
  return {
    slabs,
    pool,
    failures,
    place(bytes, gap = 0) {
      const start = SlabPool.start(slabs.take()!) + gap;
      slabs.bytes.set(bytes, start);
      return [start, bytes.length];
    },
    run: spans =>
      new Promise((resolve, reject) => {
        waiting.add(reject);
        pool.submit(spans, resolve);
      }),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** The blocks of a result, decoded: undefined for zeros that were left out. */
function decode(
  { slabs }: Bench,
  { slab, lengths }: BlockResult,
  algorithm: BlockAlgorithm | undefined,
  size = blockBytes,
): (Buffer | undefined)[] {
  const decompressor = algorithm === undefined ? undefined : createBlockDecompressor(algorithm);
  let at = SlabPool.start(slab);
  const blocks = lengths.map(length => {
    if (length === 0) return undefined;
    const stored = Buffer.from(slabs.bytes.subarray(at, at + Math.abs(length)));
    at += stored.length;
    if (length < 0) return stored;
    const block = Buffer.alloc(size);
    return block.subarray(0, decompressor!.decompress(stored, block));
  });
  decompressor?.close();
  return blocks;
}

for (const algorithm of ['zstd', 'gzip', 'deflate', 'lz4', undefined] as const) {
  test(`blocks come back in order: plain, compressed, zeros (${algorithm ?? 'no compression'})`, async () => {
    await using bench = createBench({ ...(algorithm && { algorithm }) });
    const noise = randomBytes(blockBytes);
    const text = Buffer.alloc(blockBytes, 'all the same ');
    const almost = Buffer.alloc(blockBytes);
    almost[blockBytes - 1] = 1;
    const short = Buffer.alloc(77, 'short');
    const zeros = Buffer.alloc(blockBytes);
    const given = [noise, text, zeros, almost, Buffer.alloc(5), short];
    const spans = given.flatMap(block => [1, ...bench.place(block)]);
    const result = await bench.run(spans);
    const signs = result.lengths.map(Math.sign);
    assert.deepEqual(signs, algorithm ? [-1, 1, 0, 1, 0, signs[5]] : [-1, -1, 0, -1, 0, -1]);
    assert.equal(result.lengths[0], -blockBytes);
    assert.deepEqual(
      decode(bench, result, algorithm),
      given.map((block, index) => (index === 2 || index === 4 ? undefined : block)),
    );
  });
}

test('a block is gathered from spans anywhere, and from zeros that lie nowhere', async () => {
  await using bench = createBench({ algorithm: 'zstd' });
  const [a, b] = [randomBytes(1000), randomBytes(500)];
  const first = bench.place(a, 123);
  const second = bench.place(b, slabBytes - 500);
  const result = await bench.run([
    ...[3, ...first, zeroSpan, 96, ...second],
    // All zeros, one piece of them in memory; then one span of zeros alone, short of a block.
    ...[2, zeroSpan, 2000, ...bench.place(Buffer.alloc(100))],
    ...[1, zeroSpan, 10],
    // What is left in the gathering place from before must not show through.
    ...[2, zeroSpan, 1596, ...bench.place(Buffer.from('end'))],
  ]);
  assert.deepEqual(decode(bench, result, 'zstd'), [
    Buffer.concat([a, Buffer.alloc(96), b]),
    undefined,
    undefined,
    Buffer.concat([Buffer.alloc(1596), Buffer.from('end')]),
  ]);
});

test('a marked block keeps its zeros', async () => {
  for (const algorithm of ['zstd', undefined] as const) {
    await using bench = createBench({ ...(algorithm && { algorithm }) });
    const zeros = bench.place(Buffer.alloc(blockBytes));
    const result = await bench.run([-1, ...zeros, 1, ...zeros, -2, zeroSpan, 40, zeros[0], 60]);
    assert.deepEqual(decode(bench, result, algorithm), [
      Buffer.alloc(blockBytes),
      undefined,
      Buffer.alloc(100),
    ]);
  }
});

for (const algorithm of ['zstd', 'gzip', 'deflate', 'lz4', 'xz'] as const) {
  test(`a slab of noise fits into a slab, in blocks of 4 KiB and of 1 MiB (${algorithm})`, async () => {
    const noise = randomBytes(slabBytes);
    for (const size of [4096, slabBytes]) {
      await using bench = createBench({ algorithm, blockBytes: size });
      const [start] = bench.place(noise);
      // The slab behind the output's must stay as it is: all others are filled with a mark.
      const others: number[] = [];
      for (let slab = bench.slabs.take(); slab !== undefined; slab = bench.slabs.take()) others.push(slab);
      for (const slab of others) {
        bench.slabs.bytes.fill(0xaa, SlabPool.start(slab), SlabPool.start(slab) + SlabPool.capacity);
      }
      bench.slabs.release(others[4]!);
      const spans: number[] = [];
      for (let at = 0; at < noise.length; at += size) spans.push(1, start + at, size);
      const result = await bench.run(spans);
      assert.equal(result.slab, others[4]);
      assert.ok(Buffer.concat(decode(bench, result, algorithm, size) as Buffer[]).equals(noise));
      for (const slab of others) {
        if (slab === result.slab) continue;
        const from = SlabPool.start(slab);
        const bytes = bench.slabs.bytes.subarray(from, from + SlabPool.capacity);
        assert.ok(
          bytes.every(byte => byte === 0xaa),
          `slab ${slab} was written to`,
        );
      }
    }
  });
}

test('many jobs are all answered, each with its own block, and hold few slabs at a time', async () => {
  for (const threads of [1, 3]) {
    await using bench = createBench({ algorithm: 'zstd', threads, count: 40 });
    const { pool, slabs } = bench;
    const blocks = Array.from({ length: 600 }, (_, index) => Buffer.alloc(blockBytes, `${index},`));
    const [start] = bench.place(Buffer.concat(blocks.slice(0, 200)));
    const starts = [
      start,
      ...[1, 2].map(part => bench.place(Buffer.concat(blocks.slice(200 * part, 200 * part + 200)))[0]),
    ];
    const before = slabs.free;
    let least = before;
    const answers = blocks.map((block, index) => {
      const offset = starts[Math.floor(index / 200)]! + (index % 200) * blockBytes;
      return bench.run([1, offset, blockBytes]).then(result => {
        least = Math.min(least, slabs.free);
        assert.deepEqual(decode(bench, result, 'zstd'), [block]);
        slabs.release(result.slab);
      });
    });
    assert.equal(pool.pending, 600);
    await Promise.all(answers);
    assert.equal(pool.pending, 0);
    assert.equal(slabs.free, before);
    // Two a thread are at work; one more at most each is answered and not yet looked at.
    assert.ok(before - least <= 3 * threads, `${before - least} slabs for ${threads} threads`);
  }
});

test('jobs wait for slabs, and go on when there are some', async () => {
  await using bench = createBench({ threads: 2, count: 4 });
  const { slabs, pool } = bench;
  const spans = [1, ...bench.place(Buffer.from('block'))];
  const held = [slabs.take()!, slabs.take()!, slabs.take()!];
  const results = [bench.run(spans), bench.run(spans), bench.run(spans)];
  await new Promise(wait => setTimeout(wait, 20));
  assert.equal(pool.pending, 3);
  slabs.release(held[0]!);
  for (const result of results) {
    const { slab, lengths } = await result;
    assert.deepEqual(lengths, [-5]);
    slabs.release(slab);
  }
});

test('an error in a thread fails the pool once, and no job is answered after it', async () => {
  await using bench = createBench({ threads: 2, count: 12 });
  const good = [1, ...bench.place(Buffer.from('good'))];
  assert.deepEqual((await bench.run(good)).lengths, [-4]);
  // Longer than a block can be: there is no room to gather it.
  const bad = [2, ...bench.place(Buffer.alloc(blockBytes)), ...bench.place(Buffer.alloc(blockBytes))];
  const answered: string[] = [];
  const jobs = [bad, bad, bad].map(spans => bench.run(spans).then(() => answered.push('bad')));
  for (const job of jobs) await assert.rejects(job, ShaleError);
  bench.pool.submit(good, () => answered.push('good'));
  await new Promise(wait => setTimeout(wait, 50));
  assert.deepEqual(answered, []);
  assert.equal(bench.failures.length, 1);
});

test('an error in what is done with a result is the pool’s failure too', async () => {
  await using bench = createBench({ threads: 1 });
  const spans = [1, ...bench.place(Buffer.from('good'))];
  const wrong = new ShaleError('exhausted', 'the disk is full');
  const failed = bench.run(spans);
  bench.pool.submit(spans, () => {
    throw wrong;
  });
  await failed;
  await assert.rejects(bench.run(spans), wrong);
  assert.deepEqual(bench.failures, [wrong]);
});

test('a pool that is closed in the middle of its work ends, and fails nobody', async () => {
  const bench = createBench({ algorithm: 'xz', threads: 2, count: 30, blockBytes: slabBytes });
  const place = bench.place(randomBytes(slabBytes));
  for (let job = 0; job < 20; job++)
    bench.pool.submit([1, ...place], ({ slab }) => bench.slabs.release(slab));
  await new Promise(wait => setTimeout(wait, 60));
  assert.ok(bench.pool.pending > 0);
  await bench.pool.close();
  const { pending } = bench.pool;
  await new Promise(wait => setTimeout(wait, 50));
  assert.equal(bench.pool.pending, pending, 'it went on after it was closed');
  assert.deepEqual(bench.failures, []);
});
