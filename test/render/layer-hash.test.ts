/** A layer that another thread hashes is held to its diffID as one that is hashed where it is read. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { ShaleError, Warnings } from '../../src/error/index.ts';
import { createLimits } from '../../src/layer/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import { type LayerSource, readLayers } from '../../src/render/index.ts';
import { HashLine, hashDepth, hashEnd } from '../../src/render/ingest/hash-line.ts';
import { sha256 } from '../archive/fixture.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { createScratch } from '../host/scratch.ts';
import { createRecord } from '../model/record.ts';

/** As large as it has to be for a thread of its own, and of no whole number of slabs. */
function createTar(size: number): Buffer {
  const bytes = randomBytes(size);
  return Buffer.concat([writeRecord(createRecord({ type: 'file', path: 'f', size }), bytes), endBlocks]);
}
const tars = [createTar(9_000_001), createTar(10 * 1024 * 1024), createTar(8_500_000)];

function createLayer(file: string, tar: Buffer, diffId = sha256(tar)): LayerSource {
  const stored = gzipSync(tar, { level: 1 });
  writeFileSync(file, stored);
  const blob = { path: file, offset: 0, size: stored.length };
  return {
    digest: `sha256:${sha256(stored)}` as Digest,
    diffId: `sha256:${diffId}` as Digest,
    locate: async () => blob,
  };
}

const common = { limits: createLimits(), warnings: new Warnings() };

for (const jobs of [1, 2, 4, 6]) {
  test(`layers one after the other and beside each other, ${jobs} jobs`, async () => {
    using scratch = createScratch();
    for (const some of [tars.slice(0, 1), tars]) {
      const keep = some.map((_, layer) => ({ tee: { path: scratch.at(`${layer}.tar`), blockBytes: 4096 } }));
      for (const { tee } of keep) writeFileSync(tee.path, '');
      const layers = some.map((tar, layer) => createLayer(scratch.at(`${layer}.gz`), tar));
      const read = await readLayers(layers, { ...common, jobs, keep });
      for (const [layer, tar] of some.entries()) {
        assert.equal(read[layer]!.size, tar.length);
        const file = readFileSync(keep[layer]!.tee.path);
        assert.ok(file.subarray(0, tar.length).equals(tar));
        assert.equal(file.length, Math.ceil(tar.length / 4096) * 4096);
        assert.equal(read[layer]!.teeDigest, `sha256:${sha256(file)}`);
      }
    }
  });

  test(`another layer than its diffID says, ${jobs} jobs`, async () => {
    using scratch = createScratch();
    for (const wrong of [0, 1, 2]) {
      const layers = tars.map((tar, layer) =>
        createLayer(scratch.at(`${layer}`), tar, sha256(layer === wrong ? 'another' : tar)),
      );
      await assert.rejects(readLayers(layers, { ...common, jobs }), error => {
        assert.ok(error instanceof ShaleError);
        assert.equal(error.code, 'corrupt');
        assert.match(
          error.message,
          new RegExp(`^layer ${wrong} .*its digest is sha256:${sha256(tars[wrong]!)}, not`),
        );
        return true;
      });
    }
  });

  test(`what does not parse, and an abort, ${jobs} jobs`, async () => {
    using scratch = createScratch();
    const broken = Buffer.concat([tars[0]!.subarray(0, -1024), Buffer.alloc(512, 'x')]);
    await assert.rejects(readLayers([createLayer(scratch.at('a'), broken)], { ...common, jobs }), {
      code: 'corrupt',
      message: /checksum/,
    });
    const layers = tars.map((tar, layer) => createLayer(scratch.at(`${layer}`), tar));
    const abort = new AbortController();
    const onProgress = () => abort.abort();
    await assert.rejects(readLayers(layers, { ...common, jobs, signal: abort.signal, onProgress }), {
      code: 'cancelled',
    });
  });
}

test('a blob that is found when nobody wants it any more starts no thread', async () => {
  using scratch = createScratch();
  const layer = createLayer(scratch.at('a'), tars[0]!);
  const found = Promise.withResolvers<void>();
  const abort = new AbortController();
  const late = { ...layer, locate: () => found.promise.then(() => layer.locate()) };
  const reading = readLayers([late], { ...common, jobs: 2, signal: abort.signal });
  abort.abort();
  await assert.rejects(reading, { code: 'cancelled' });
  const before = process.getActiveResourcesInfo();
  found.resolve();
  await setTimeout(50);
  assert.deepEqual(process.getActiveResourcesInfo(), before);
});

test('the line: every request is answered in its order, between two threads', async () => {
  const memory = new SharedArrayBuffer(1 << 16);
  const bytes = new Uint8Array(memory);
  bytes.set(randomBytes(bytes.length));
  const line = new HashLine();
  const ending = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('../../src/render/ingest/hash-worker.ts', import.meta.url), {
    workerData: { memory, line: line.memory, ending },
  });
  for (let round = 0; round < 20; round += 1) {
    worker.postMessage({ kind: 'start', algorithm: 'sha256' });
    const parts: Buffer[] = [];
    for (let index = 0; index < round * 7; index += 1) {
      const length = 1 + ((index * 7919) % 3000);
      // What the last three requests are not about may be written to.
      const offset = (index % (hashDepth + 1)) * (bytes.length / (hashDepth + 1));
      bytes.fill(index + round, offset, offset + length);
      parts.push(Buffer.from(bytes.slice(offset, offset + length)));
      line.request(offset, length, ending);
    }
    line.request(hashEnd, 0, ending);
    line.settle(ending);
    assert.equal(line.digest(32).toString('hex'), sha256(Buffer.concat(parts)), `round ${round}`);
  }
  worker.postMessage({ kind: 'end' });
  await new Promise(resolve => worker.once('exit', resolve));
});

test('the line: nobody waits for a thread that is to end', () => {
  const line = new HashLine();
  const ending = new Int32Array(1);
  line.request(0, 1, ending);
  ending[0] = 1;
  assert.throws(() => line.settle(ending), { code: 'cancelled' });
  const other = new HashLine(line.memory);
  assert.deepEqual(other.next(ending), { offset: 0, length: 1 });
  other.reply();
  assert.equal(other.next(ending), undefined);
  line.settle(ending);
});
