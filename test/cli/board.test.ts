/** The state of layers and blobs behind all forms of progress, and what is said of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board, type Reading, type Step } from '../../src/cli/progress/board.ts';
import type { ProgressEvent } from '../../src/cli/progress/index.ts';
import { formatRetry } from '../../src/cli/progress/retry.ts';
import { formatTask, formatTotal } from '../../src/cli/progress/row.ts';
import { Speed } from '../../src/cli/progress/speed.ts';

const digest = (at: number) => `sha256:${String(at).repeat(64)}`;

/** Layers of 100 bytes each; cached or not, or of a local image where that is undefined. */
function begin(cached: readonly (boolean | undefined)[], reading: Reading = 'rendering'): Board {
  const layers = cached.map((there, at) => ({
    ...{ name: digest(at), size: 100 },
    ...(there === undefined ? {} : { cached: there }),
  }));
  return Board.create({ type: 'image', layers }, reading)!;
}

const received = (layer: number, count: number): ProgressEvent => ({
  ...{ type: 'download', layer, received: count, size: 100 },
});
const read = (layer: number, count: number): ProgressEvent => ({
  type: 'layer',
  layer,
  read: count,
  size: 100,
});
const states = (board: Board) => board.tasks.map(({ state }) => state);
const steps = (board: Board, events: readonly ProgressEvent[]): (Step['what'] | undefined)[] =>
  events.map(event => board.update(event)?.what);

test('a layer is downloaded, then read: each step is told once', () => {
  const board = begin([false]);
  assert.deepEqual(states(board), ['waiting']);
  assert.deepEqual(steps(board, [received(0, 10), received(0, 60), received(0, 100)]), [
    ...['began', undefined, 'downloaded'],
  ]);
  assert.deepEqual(states(board), ['downloaded']);
  assert.equal(board.active.size, 0);
  assert.deepEqual(steps(board, [read(0, 50)]), [undefined]);
  assert.deepEqual(states(board), ['reading']);
  assert.deepEqual(steps(board, [read(0, 100), read(0, 100), received(0, 100)]), [
    'done',
    undefined,
    undefined,
  ]);
  assert.deepEqual([states(board), board.done, board.active.size], [['done'], 1, 0]);
});

test('a layer is read while it is downloaded, and is downloading until it is there', () => {
  const board = begin([false]);
  steps(board, [received(0, 50), read(0, 40)]);
  assert.deepEqual(states(board), ['downloading']);
  assert.deepEqual(steps(board, [received(0, 100)]), ['downloaded']);
  assert.deepEqual(states(board), ['reading']);
  assert.deepEqual(steps(board, [read(0, 100)]), ['done']);
  assert.deepEqual([board.download.done, board.reading.done], [100, 100]);
});

test('a reader that is ahead of what was told of the download has the bytes all the same', () => {
  const board = begin([false, false]);
  steps(board, [received(0, 10), read(0, 30)]);
  assert.equal(board.download.done, 30);
  assert.deepEqual(steps(board, [read(0, 100)]), ['done']);
  assert.deepEqual([board.download.done, board.download.finished], [100, 1]);
});

test('what is cached is there, and is only read; without a reader it is done', () => {
  const board = begin([true, false]);
  assert.deepEqual(states(board), ['there', 'waiting']);
  assert.deepEqual([board.download.size, board.download.count, board.reading.size], [100, 1, 200]);
  assert.deepEqual(steps(board, [read(0, 1), read(0, 100)]), ['began', 'done']);
  const only = begin([true, false], 'nothing');
  assert.deepEqual([states(only), only.done, only.reading.size], [['done', 'waiting'], 1, 0]);
  assert.deepEqual(steps(only, [received(1, 40), received(1, 100)]), ['began', 'downloaded']);
  assert.deepEqual([states(only), only.done], [['done', 'done'], 2]);
});

test('a local image is never downloaded; what is read again does not count again', () => {
  const board = begin([undefined, undefined], 'reading');
  steps(board, [read(1, 100), read(1, 20), read(1, 100), read(0, 30)]);
  assert.deepEqual(states(board), ['reading', 'done']);
  assert.deepEqual([board.download.size, board.reading.done], [0, 130]);
});

test('a download that begins anew loses what it had; more than there is does not count', () => {
  const board = begin([false]);
  steps(board, [received(0, 80), received(0, 20)]);
  assert.equal(board.download.done, 20);
  steps(board, [received(0, 130)]);
  assert.deepEqual([board.download.done, board.download.finished], [100, 1]);
});

test('empty layers, and events of layers that are not there', () => {
  const board = Board.create(
    { type: 'image', layers: [{ name: digest(1), size: 0, cached: false }] },
    'rendering',
  )!;
  assert.equal(board.update({ type: 'layer', layer: 7, read: 1, size: 1 }), undefined);
  assert.equal(board.update({ type: 'layer', layer: 0, read: 0, size: 0 })?.what, 'done');
  assert.equal(Board.create({ type: 'finish' }, 'reading'), undefined);
});

test('blobs come up as they are begun; those that need not move do not count as bytes', () => {
  const blob = (at: number, done: number, how?: 'pushed' | 'mounted' | 'exists'): ProgressEvent => ({
    ...{ type: 'blob', digest: digest(at), done, size: 100 },
    ...(how && { how }),
  });
  const first = blob(1, 10);
  const board = Board.create(first, 'nothing')!;
  assert.deepEqual(steps(board, [first, blob(1, 60), blob(2, 0, 'exists'), blob(1, 100, 'pushed')]), [
    ...['began', undefined, 'done', 'done'],
  ]);
  assert.deepEqual([board.download.size, board.download.done, board.download.count], [100, 100, 2]);
  assert.deepEqual([board.tasks.length, board.done], [2, 2]);
  const amounts = board.tasks.map(task => formatTask(task, board, 'nothing').amount);
  assert.deepEqual(amounts, ['100 B, pushed', '100 B, already there']);
});

test('rows say what docker users look for', () => {
  const board = begin([true, false, false]);
  const row = (at: number) => formatTask(board.tasks[at]!, board, 'rendering');
  assert.deepEqual(row(0), {
    ...{ label: `0 ${'0'.repeat(12)}`, share: 0, amount: '100 B, already there', look: 'faint' },
  });
  assert.equal(row(1).amount, 'waiting');
  board.update(received(1, 50));
  assert.deepEqual([row(1).amount, row(1).share], ['50 B of 100 B', 0.5]);
  board.update(received(1, 100));
  assert.equal(row(1).amount, '100 B, downloaded');
  board.update(read(1, 25));
  assert.deepEqual([row(1).amount, row(1).share], ['rendering 25 B of 100 B', 0.25]);
  board.update(read(1, 100));
  assert.deepEqual([row(1).amount, row(1).look], ['100 B', 'done']);
});

test('the total follows the download, then the reading, and estimates what is left', () => {
  const board = begin([false]);
  const total = (finishing = false) =>
    formatTotal(board, { download: 10, reading: 25 }, { verb: 'rendering', finishing });
  board.update(received(0, 20));
  assert.equal(total().label, '0 of 1 layers');
  assert.equal(total().amount, '20 B of 100 B, 10 B/s, 8 s left');
  assert.equal(total().share, 0.2);
  board.update(received(0, 100));
  board.update(read(0, 50));
  assert.equal(total().amount, 'rendering 50 B of 100 B, 25 B/s, 2 s left');
  board.update(read(0, 100));
  assert.deepEqual([total().share, total(true).amount], [1, 'completing']);
  assert.equal(
    formatTotal(board, { download: 0, reading: 0 }, { verb: 'reading', finishing: false }).amount,
    '100 B of 100 B',
  );
});

test('a check has a total alone', () => {
  const event: ProgressEvent = { type: 'check', done: 30, total: 120 };
  const board = Board.create(event, 'reading')!;
  board.update(event);
  const { label, share, amount } = formatTotal(
    board,
    { download: 0, reading: 0 },
    { verb: 'reading', finishing: false },
  );
  assert.deepEqual([label, share, amount], ['checking', 0.25, '30 B of 120 B']);
});

test('the speed is that of the last seconds, from few samples', () => {
  const speed = new Speed();
  assert.equal(speed.rate(5, 0), 0);
  // A second of 1000 bytes, then ten of 100.
  for (let time = 0; time <= 1000; time += 10) speed.add(time, time);
  assert.equal(speed.rate(1000, 1000), 1000);
  for (let time = 1000; time <= 11_000; time += 10) speed.add(1000 + (time - 1000) / 10, time);
  assert.ok(Math.abs(speed.rate(2000, 11_000) - 100) < 10);
  // After a stall it falls.
  assert.ok(speed.rate(2000, 60_000) < 15);
});

test('what a registry says of a retry cannot steer the terminal', () => {
  const text = formatRetry({
    ...{ type: 'retry', registry: 'ghcr.io', what: 'GET manifest', attempt: 2, delay: 1500 },
    reason: 'status 503\x1b[31m\n',
  });
  assert.equal(text, 'ghcr.io: GET manifest: status 503\\x1b[31m\\x0a; again in 1.50 s (attempt 2)');
});
