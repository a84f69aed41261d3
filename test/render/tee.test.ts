/** A layer's uncompressed bytes go into a file as they are, while it is read for whatever else. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { ShaleError, Warnings } from '../../src/error/index.ts';
import { createLimits } from '../../src/layer/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import { type LayerKeep, type LayerSource, readLayers, type TeeTarget } from '../../src/render/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { createScratch } from '../host/scratch.ts';
import { createRecord } from '../model/record.ts';

const record = (path: string, bytes: Buffer) =>
  writeRecord(createRecord({ type: 'file', path, size: bytes.length }), bytes);
const small = Buffer.concat([record('a', Buffer.from('hello')), endBlocks]);
const large = Buffer.concat([
  record('large', randomBytes(3_500_000)),
  ...Array.from({ length: 300 }, (_, index) => record(`${index}`, Buffer.alloc(index * 40, index))),
  endBlocks,
]);
/** As some builders write it: nothing behind the last byte of the last file. */
const cut = record('z', randomBytes(1500)).subarray(0, 512 + 1500);

function createLayer(file: string, tar: Buffer, stored = tar, diffId = sha256(tar)): LayerSource {
  writeFileSync(file, stored);
  const blob = { path: file, offset: 0, size: stored.length };
  return {
    digest: `sha256:${sha256(stored)}` as Digest,
    diffId: `sha256:${diffId}` as Digest,
    locate: async () => blob,
  };
}

const read = (layers: LayerSource[], keep: readonly (LayerKeep | undefined)[]) =>
  readLayers(layers, { limits: createLimits(), warnings: new Warnings(), keep, jobs: 2 });

function createTarget(path: string, blockBytes = 512): TeeTarget {
  writeFileSync(path, '');
  return { path, blockBytes };
}

test('every byte of every layer, whatever its compression', async () => {
  using scratch = createScratch();
  const tars = [small, large, large, cut];
  const layers = [
    createLayer(scratch.at('0'), small),
    createLayer(scratch.at('1'), large, gzipSync(large)),
    createLayer(scratch.at('2'), large, zstdCompressSync(large)),
    createLayer(scratch.at('3'), cut, gzipSync(cut)),
  ];
  const targets = tars.map((_, layer) => createTarget(scratch.at(`${layer}.tar`)));
  const results = await read(
    layers,
    targets.map(tee => ({ tee })),
  );
  for (const [layer, tar] of tars.entries()) {
    assert.equal(results[layer]!.size, tar.length);
    const written = readFileSync(targets[layer]!.path);
    assert.ok(written.subarray(0, tar.length).equals(tar), `layer ${layer}`);
    assert.equal(written.length, Math.ceil(tar.length / 512) * 512);
    assert.equal(results[layer]!.teeDigest, `sha256:${sha256(written)}`);
    assert.ok(written.subarray(tar.length).every(byte => byte === 0));
    for (const entry of results[layer]!.entries) {
      assert.ok(entry.type === 'file');
      const lies = written.subarray(entry.offset!, entry.offset! + entry.size);
      assert.equal(lies.length, entry.size, 'the index and the file belong together');
      if (entry.path === '299') assert.ok(lies.equals(Buffer.alloc(299 * 40, 299)));
    }
  }
});

test('padding to larger blocks, layers without a file, and content extracted at the same time', async () => {
  using scratch = createScratch();
  const layers = [createLayer(scratch.at('0'), small), createLayer(scratch.at('1'), cut)];
  const target = createTarget(scratch.at('tar'), 4096);
  const extract = { path: scratch.at('contents'), start: 0, blockBytes: 4096 };
  writeFileSync(extract.path, '');
  await read(layers, [undefined, { tee: target, extract }]);
  assert.equal(statSync(target.path).size, 4096);
  assert.ok(readFileSync(target.path).subarray(0, cut.length).equals(cut));
  assert.ok(readFileSync(extract.path).subarray(0, 1500).equals(cut.subarray(512)));
});

test('a full disk, no file and a layer that is another one: typed errors that name the layer', async () => {
  using scratch = createScratch();
  const reject = async (layer: LayerSource, target: TeeTarget, code: string, message: RegExp) =>
    await assert.rejects(read([layer], [{ tee: target }]), error => {
      assert.ok(error instanceof ShaleError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /^layer 0 \(counted/);
      assert.doesNotMatch(error.message, /entry/);
      return true;
    });
  const layer = createLayer(scratch.at('0'), large, gzipSync(large));
  await reject(
    layer,
    { path: '/dev/full', blockBytes: 512 },
    'exhausted',
    /cannot write \/dev\/full: no space left/,
  );
  await reject(layer, { path: scratch.at('none'), blockBytes: 512 }, 'not-found', /cannot open .*none/);
  const other = createLayer(scratch.at('1'), small, small, sha256(large));
  await reject(other, createTarget(scratch.at('tar')), 'corrupt', /uncompressed layer/);
});
