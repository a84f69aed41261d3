/** What the EROFS sink adds to the writers of data and metadata: tails that wait in a file, restarts, and its end. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SlabPool, slabBytes } from '../../src/bytes/pool/index.ts';
import { bytesSource, openErofs } from '../../src/erofs/index.ts';
import { Warnings } from '../../src/error/index.ts';
import { createAtomicFile } from '../../src/host/index.ts';
import type { Content } from '../../src/merge/index.ts';
import { type ErofsOptions, ErofsSink } from '../../src/render/sink/erofs-sink.ts';
import { TailSpool } from '../../src/render/sink/tail-spool.ts';
import { type Inode, noXattrs, validateTree } from '../../src/tree/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';

const plain = { mode: 0o644, uid: 0, gid: 0, mtime: { seconds: 5, nanoseconds: 7 }, xattrs: noXattrs };
const usual: ErofsOptions = {
  compression: 'none',
  level: undefined,
  blockSize: 65536,
  identity: Buffer.from('layers'),
};

/** A tree of nothing but these files, by their numbers. */
function treeOf(contents: readonly Buffer[]) {
  const children = new Map<string, Inode<Content>>();
  for (const [entry, { length: size }] of contents.entries()) {
    children.set(`${entry}`, { ...plain, type: 'file', size, content: { layer: 0, entry } });
  }
  return validateTree<Content>({ ...plain, type: 'directory', children });
}

async function give(sink: ErofsSink, slabs: SlabPool, contents: readonly Buffer[]): Promise<void> {
  for (const [id, content] of contents.entries()) {
    await sink.ready();
    const slab = slabs.take();
    assert.ok(slab !== undefined && content.length <= slabBytes);
    slabs.bytes.set(content, SlabPool.start(slab));
    sink.begin(id, content.length);
    sink.data(SlabPool.start(slab), content.length);
    sink.end();
    slabs.release(slab);
  }
}

async function write(
  path: string,
  contents: readonly Buffer[],
  more: Partial<ErofsOptions> = {},
  before?: readonly Buffer[],
) {
  const slabs = new SlabPool(16);
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const file = await createAtomicFile(path);
  await using sink = new ErofsSink({
    ...{ ...usual, ...more, file, slabs, threads: 2, warnings: new Warnings() },
    fail: error => fail(error),
  });
  const work = async () => {
    if (before !== undefined) {
      await give(sink, slabs, before);
      await sink.restart();
    }
    await give(sink, slabs, contents);
    await sink.finish(treeOf(contents), ({ content }) => content.entry);
    assert.equal(slabs.free, slabs.count);
    return await sink.commit();
  };
  return await Promise.race([work(), failed]);
}

function check(path: string, contents: readonly Buffer[]): void {
  using image = openErofs(bytesSource(readFileSync(path)));
  let found = 0;
  for (const { inode, path: name } of image.tree().nodes) {
    if (inode.type !== 'file') continue;
    assert.ok(Buffer.concat([...image.read(inode)]).equals(contents[Number(name)]!), `file ${name}`);
    found += 1;
  }
  assert.equal(found, contents.length);
}

test('more tails than memory is kept for, in another order than they came', async () => {
  using scratch = createScratch();
  // 4 MB of them. The tree has 0, 1, 10, 100, 1000, 1001, …
  const contents = Array.from({ length: 2500 }, (_, index) => randomBytes(1 + ((index * 37) % 3300)));
  for (const compression of ['none', 'zstd'] as const) {
    const path = scratch.at(`${compression}.erofs`);
    const output = await write(path, contents, { compression });
    assert.deepEqual([output.format, output.path, output.bytes], ['erofs', path, readFileSync(path).length]);
    check(path, contents);
  }
  assert.deepEqual(readdirSync(scratch.path), ['none.erofs', 'zstd.erofs']);
});

test('what came before a restart leaves no trace', async () => {
  using scratch = createScratch();
  const contents = [randomBytes(5000), Buffer.alloc(200_000, 'text '), randomBytes(100_000)];
  const before = [randomBytes(900_000), Buffer.alloc(900_000, 'more '), ...contents, randomBytes(4095)];
  for (const compression of ['none', 'lz4', 'deflate', 'zstd'] as const) {
    await write(scratch.at(`${compression}-a`), contents, { compression });
    await write(scratch.at(`${compression}-b`), contents, { compression }, before);
    check(scratch.at(`${compression}-b`), contents);
    const [a, b] = ['a', 'b'].map(name => readFileSync(scratch.at(`${compression}-${name}`)));
    assert.ok(a!.equals(b!), compression);
  }
});

test('the UUID tells images apart by what they are made of', async () => {
  using scratch = createScratch();
  const uuids = new Set<string>();
  for (const [index, identity] of ['layers', 'other layers'].entries()) {
    const path = scratch.at(`${index}`);
    await write(path, [randomBytes(8192)], { identity: Buffer.from(identity) });
    uuids.add(readFileSync(path).toString('hex', 1024 + 48, 1024 + 64));
  }
  assert.equal(uuids.size, 2);
});

test('a sink that is disposed before its end leaves no file', async () => {
  using scratch = createScratch();
  const slabs = new SlabPool(16);
  const file = await createAtomicFile(scratch.at('a.erofs'));
  const options = {
    ...usual,
    compression: 'zstd',
    file,
    slabs,
    threads: 1,
    warnings: new Warnings(),
  } as const;
  const sink = new ErofsSink({ ...options, fail: error => assert.fail(`${error}`) });
  await give(
    sink,
    slabs,
    Array.from({ length: 6 }, () => randomBytes(500_000)),
  );
  await sink[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(scratch.path), []);
});

const seed = readSeed();
test(`tails are read as they were given, wherever they begin (SEED=${seed})`, () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  using spool = new TailSpool(scratch.path);
  for (const total of [3_000_000, 500_000, 12_000_000]) {
    spool.restart();
    assert.equal(spool.position, 0);
    const all = randomBytes(total);
    const tails: [number, number][] = [];
    for (let at = 0; at < total; ) {
      const length = Math.min(total - at, 1 + random.integer(random.pick([10, 4000, 70_000])));
      assert.equal(spool.position, at);
      spool.append(all.subarray(at, at + length));
      tails.push([at, length]);
      at += length;
    }
    for (let turn = 0; turn < 3000; turn++) {
      const [at, length] = random.pick(tails);
      const target = Buffer.alloc(length);
      spool.read(at, target);
      assert.ok(target.equals(all.subarray(at, at + length)), `${length} bytes at ${at} of ${total}`);
    }
    assert.throws(() => spool.read(total - 1, new Uint8Array(2)), { code: 'internal' });
  }
  assert.deepEqual(readdirSync(scratch.path), []);
});
