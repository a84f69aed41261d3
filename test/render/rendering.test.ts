/** What a rendering asks of its sinks, above all that it leaves them alone once they are disposed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ShaleError, Warnings } from '../../src/error/index.ts';
import { defaultLimits } from '../../src/layer/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import {
  type LayerSource,
  type Output,
  openSink,
  type Rendered,
  render,
  type Sink,
} from '../../src/render/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { createScratch } from '../host/scratch.ts';
import { createRecord } from '../model/record.ts';

type Entry = readonly [string, Buffer];

function createLayer(file: string, entries: readonly Entry[]): LayerSource {
  const tar = Buffer.concat([
    ...entries.map(([path, bytes]) =>
      writeRecord(createRecord({ type: 'file', path, size: bytes.length }), bytes),
    ),
    endBlocks,
  ]);
  writeFileSync(file, tar);
  const diffId = `sha256:${sha256(tar)}` as Digest;
  return { digest: diffId, diffId, locate: async () => ({ path: file, offset: 0, size: tar.length }) };
}

/** Notes every call, and asks `onCall` first; its promises take a while, as those of real sinks do. */
class FakeSink implements Sink {
  readonly format = 'tar';
  readonly calls: string[] = [];
  readonly late: string[] = [];
  /** Contents by id, lengths only. */
  readonly sizes = new Map<number, number>();
  readonly #onCall: (what: string) => void;
  #disposed = false;
  #id = -1;

  constructor(onCall: (what: string) => void = () => {}) {
    this.#onCall = onCall;
  }
  #note(what: string): void {
    this.calls.push(what);
    if (this.#disposed) this.late.push(what);
    this.#onCall(what);
  }
  begin(id: number): void {
    this.#note('begin');
    this.#id = id;
    this.sizes.set(id, 0);
  }
  data(_: number, length: number): void {
    this.#note('data');
    this.sizes.set(this.#id, this.sizes.get(this.#id)! + length);
  }
  hole(length: number): void {
    this.data(0, length);
  }
  end(): void {
    this.#note('end');
  }
  async ready(): Promise<void> {
    this.#note('ready');
    await setTimeout(1);
  }
  async restart(): Promise<void> {
    this.#note('restart');
    this.sizes.clear();
    await setTimeout(1);
  }
  async finish(): Promise<void> {
    this.#note('finish');
    await setTimeout(1);
  }
  async commit(): Promise<Output> {
    this.#note('commit');
    return { path: '', format: this.format, bytes: 0 };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
  }
}

function start(
  layers: readonly LayerSource[],
  sinks: readonly Sink[],
  options: { signal?: AbortSignal; onFinish?: () => void } = {},
): Promise<Rendered> {
  return render(layers, async () => sinks, {
    jobs: 1,
    compressing: 0,
    limits: defaultLimits,
    warnings: new Warnings(),
    created: { seconds: 0, nanoseconds: 0 },
    ...options,
  });
}

/** Two layers of several slabs; a path twice in one of them, so that all is read again. */
function createLayers(scratch: { at(name: string): string }): LayerSource[] {
  const noise = randomBytes(1_500_000);
  return [
    createLayer(scratch.at('old'), [
      ['a', noise],
      ['b', Buffer.from('b')],
      ['a', noise.subarray(1)],
    ]),
    createLayer(scratch.at('new'), [
      ['c', noise],
      ['d', Buffer.from('dd')],
    ]),
  ];
}

test('every sink hears the same: the wanted contents, numbered newest layer first', async () => {
  using scratch = createScratch();
  const sinks = [new FakeSink(), new FakeSink()];
  const { readAgain } = await start(createLayers(scratch), sinks);
  assert.equal(readAgain, 2);
  for (const { sizes, calls, late } of sinks) {
    assert.deepEqual(
      [...sizes],
      [
        [0, 1_500_000],
        [1, 2],
        [2, 1],
        [3, 1_499_999],
      ],
    );
    assert.deepEqual(
      calls.filter(call => ['restart', 'finish', 'commit'].includes(call)),
      ['restart', 'finish', 'commit'],
    );
    assert.deepEqual(late, []);
  }
});

test('wherever an abort falls, no sink is touched after it was disposed', async () => {
  using scratch = createScratch();
  const layers = createLayers(scratch);
  const quiet = new FakeSink();
  await start(layers, [quiet, new FakeSink()]);
  // At the first and the last call of each kind, and a few between.
  const { calls } = quiet;
  const moments = calls.flatMap((call, index) =>
    calls.indexOf(call) === index ||
    calls.lastIndexOf(call) === index ||
    index % Math.ceil(calls.length / 4) === 0
      ? [index]
      : [],
  );
  assert.ok(moments.length > 8);
  for (const moment of moments) {
    // What the first sink waits for, the second would hear of next.
    const which = ['ready', 'restart', 'finish'].includes(calls[moment]!) ? 0 : 1;
    const abort = new AbortController();
    const isCommit = calls[moment] === 'commit';
    let count = 0;
    const sinks = [0, 1].map(
      index =>
        new FakeSink(() => {
          if (index === which && count++ === moment) abort.abort();
        }),
    );
    const what = `sink ${which}, call ${moment} (${calls[moment]})`;
    const rendering = start(layers, sinks, { signal: abort.signal });
    if (isCommit) await rendering;
    else await assert.rejects(rendering, (error: ShaleError) => error.code === 'cancelled', what);
    await setTimeout(8);
    for (const sink of sinks) {
      assert.deepEqual(sink.late, [], what);
      assert.equal(sink.calls.includes('commit'), isCommit, what);
    }
  }
});

test('an abort before anything has begun reaches no sink', async () => {
  using scratch = createScratch();
  const sink = new FakeSink();
  const rendering = start(createLayers(scratch), [sink], { signal: AbortSignal.abort() });
  await assert.rejects(rendering, (error: ShaleError) => error.code === 'cancelled');
  await setTimeout(8);
  assert.deepEqual(sink.late, []);
});

test('a layer that fails while batches of others wait ends the work, and a sink’s own error is what is told', async () => {
  using scratch = createScratch();
  const layers = createLayers(scratch);
  const wrong = { ...layers[0]!, diffId: `sha256:${'0'.repeat(64)}` as Digest };
  const sinks = [new FakeSink(), new FakeSink()];
  await assert.rejects(start([wrong, layers[1]!], sinks), (error: ShaleError) => error.code === 'corrupt');
  await setTimeout(8);
  const full = new ShaleError('exhausted', 'the disk is full');
  const failing = new FakeSink(what => {
    if (what === 'end') throw full;
  });
  await assert.rejects(start(layers, [new FakeSink(), failing]), full);
  await setTimeout(8);
  for (const { late, calls } of [...sinks, failing]) {
    assert.deepEqual(late, []);
    assert.ok(!calls.includes('commit'));
  }
});

test('a stream is written to no more once an aborted rendering was given up', async () => {
  using scratch = createScratch();
  const many = Array.from({ length: 8000 }, (_, index): Entry => [`empty${index}`, Buffer.alloc(0)]);
  const layers = [createLayer(scratch.at('layer'), many)];
  const abort = new AbortController();
  let bytes = 0;
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk, _, done) {
      bytes += chunk.length;
      abort.abort();
      void setTimeout(3).then(() => done());
    },
  });
  const rendering = render(
    layers,
    async bench => [
      await openSink({ format: 'tar', stream }, bench, { warnings: new Warnings(), replace: true }),
    ],
    {
      jobs: 1,
      compressing: 0,
      limits: defaultLimits,
      warnings: new Warnings(),
      created: { seconds: 0, nanoseconds: 0 },
      signal: abort.signal,
    },
  );
  await assert.rejects(rendering, (error: ShaleError) => error.code === 'cancelled');
  const before = bytes;
  await setTimeout(50);
  assert.ok(before > 0);
  assert.equal(bytes, before);
});
