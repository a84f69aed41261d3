import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BlockResult,
  CommitLine,
  SlabPool,
  type StoredBlock,
  slabBytes,
  zeroSpan,
} from '../../../src/bytes/pool/index.ts';

interface Job {
  readonly spans: readonly number[];
  readonly done: (result: BlockResult) => void;
}

/** A line before a pool whose jobs are answered by hand, and what it did. */
function createBench() {
  const slabs = new SlabPool(8);
  const jobs: Job[] = [];
  const log: string[] = [];
  let pending = 0;
  const pool = {
    get pending() {
      return pending;
    },
    submit: (spans: readonly number[], done: Job['done']) => {
      pending += 1;
      jobs.push({ spans, done });
    },
  };
  const line = new CommitLine({ pool, slabs, flush: () => log.push(`flush, ${slabs.free} free`) });
  /** Answers a job with a slab of its own; returns where that starts. */
  const answer = (job: number, lengths: readonly number[]): number => {
    pending -= 1;
    const slab = slabs.take()!;
    jobs[job]!.done({ slab, lengths });
    return SlabPool.start(slab);
  };
  return { slabs, jobs, log, line, answer };
}

test('commits come in the order of the line, whichever job is done first', async () => {
  const { line, jobs, log, answer } = createBench();
  const half = slabBytes / 2;
  const block =
    (name: string) =>
    ({ size }: StoredBlock) =>
      log.push(`${name} ${size}`);
  line.addBlock([0, half], half, 'omitted', block('a'));
  line.add(0, () => log.push('b'));
  line.addBlock([half, half], half, 'omitted', block('c'));
  line.addBlock([0, half], half, 'omitted', block('d'));
  const finished = line.finish();
  assert.equal(jobs.length, 2, 'a job has a payload at most');
  answer(1, [4]);
  assert.deepEqual(log, []);
  answer(0, [3, -half]);
  // While a batch is flushed, its slab is still taken.
  assert.deepEqual(log, ['a 3', 'b', `c -${half}`, 'flush, 6 free', 'd 4', 'flush, 7 free']);
  await finished;
});

test('what needs no job waits for those before it, and for none of its own', async () => {
  const { line, jobs, log, answer } = createBench();
  line.add(1, () => log.push('a'));
  line.submitWhenIdle();
  assert.deepEqual(log, ['a', 'flush, 8 free']);
  line.addBlock([0, 8], 8, 'omitted', () => log.push('b'));
  line.submitWhenIdle();
  line.add(slabBytes, () => log.push('c'));
  line.submitWhenIdle();
  assert.equal(jobs.length, 1);
  assert.equal(log.length, 2);
  answer(0, [8]);
  await line.finish();
  assert.deepEqual(log.slice(2), ['b', 'flush, 7 free', 'c', 'flush, 8 free']);
});

test('each block is told where it was stored', async () => {
  const { line, jobs, answer } = createBench();
  const stored: StoredBlock[] = [];
  const keep = (block: StoredBlock) => stored.push(block);
  line.addBlock([0, 10], 10, 'omitted', keep);
  line.addBlock([10, 5, zeroSpan, 5], 10, 'stored', keep);
  line.addBlock([zeroSpan, 10], 10, 'omitted', keep);
  line.addBlock([20, 10], 10, 'stored', keep);
  line.submitWhenIdle();
  assert.deepEqual(jobs[0]!.spans, [1, 0, 10, -2, 10, 5, zeroSpan, 5, 1, zeroSpan, 10, -1, 20, 10]);
  const start = answer(0, [7, -10, 0, 3]);
  assert.deepEqual(stored, [
    { offset: start, size: 7 },
    { offset: start + 7, size: -10 },
    { offset: start + 17, size: 0 },
    { offset: start + 17, size: 3 },
  ]);
  await line.finish();
});

test('an idle pool gets a small batch, a busy one only when slabs become few', () => {
  const { line, jobs, slabs } = createBench();
  for (let job = 0; job < 3; job++) {
    line.addBlock([0, 8], 8, 'omitted', () => {});
    line.submitWhenIdle();
  }
  assert.equal(jobs.length, 2);
  while (slabs.free > slabs.count / 2) slabs.take();
  line.submitWhenIdle();
  assert.equal(jobs.length, 3);
});

test('there is no room while too many jobs wait', async () => {
  const { line, jobs, answer } = createBench();
  for (let job = 0; job < 66; job++) line.addBlock([0, slabBytes], slabBytes, 'omitted', () => {});
  assert.equal(jobs.length, 65);
  let isThere = false;
  const room = line.room().then(() => {
    isThere = true;
  });
  await new Promise(setImmediate);
  assert.equal(isThere, false);
  answer(0, [1]);
  await room;
});

test('slabs of spans are released once for each span', () => {
  const { slabs } = createBench();
  const slab = slabs.take()!;
  slabs.retain(slab);
  const start = SlabPool.start(slab);
  slabs.releaseSpans([start, 5, zeroSpan, 7, start + 5, 9]);
  assert.equal(slabs.free, 8);
});
