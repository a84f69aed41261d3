import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Extents } from '../../src/content/index.ts';
import { hasLibc } from '../../src/host/index.ts';
import { type Ingest, openStore, type Store } from '../../src/store/index.ts';
import { formatIngestState, readIngestState, stateBytes } from '../../src/store/ingest-state.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { Child, run } from './process.ts';
import { digestOf, ingest, noise } from './sample.ts';

const MiB = 1024 * 1024;
const skip = hasLibc() ? false : 'needs libc through koffi';

async function begin(store: Store, bytes: Buffer): Promise<Ingest> {
  const begun = await store.beginIngest({ digest: digestOf(bytes), size: bytes.length });
  assert.ok('writeAt' in begun, 'it is there already');
  return begun;
}
const litter = (store: Store) => readdirSync(path.join(store.root, 'ingest'));

test('a blob has its name only when it is whole', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(1, 100_000);
  const digest = digestOf(bytes);
  const held = await begin(store, bytes);
  held.writeAt(bytes.subarray(50_000), 50_000);
  await assert.rejects(held.commit(), { code: 'internal', message: /50000 of 100000/ });
  assert.throws(() => held.writeAt(bytes.subarray(0, 2), 99_999), { code: 'internal' });
  assert.equal(store.findBlob(digest), undefined);
  held.writeAt(bytes.subarray(0, 60_000), 0);
  const location = await held.commit();
  assert.deepEqual(store.findBlob(digest, bytes.length), location);
  assert.equal(location.path, held.target);
  assert.deepEqual(readFileSync(location.path), bytes);
  assert.equal(statSync(location.path).mode & 0o777, 0o600);
  assert.equal(store.findBlob(digest, 5), undefined);
  assert.deepEqual(litter(store), []);
  assert.equal(await ingest(store, bytes), false, 'what is there is not fetched');
  assert.throws(() => held.writeAt(bytes, 0), { code: 'internal' });
  held[Symbol.dispose]();
});

test('an empty blob', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  assert.equal(await ingest(store, Buffer.alloc(0)), true);
  assert.equal(store.findBlob(digestOf(Buffer.alloc(0)))?.size, 0);
});

test('a document is verified before it is stored', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(1, 100);
  const descriptor = { digest: digestOf(bytes), size: 100 };
  await assert.rejects(store.putDocument(descriptor, noise(2, 100)), { code: 'corrupt' });
  await assert.rejects(store.putDocument({ ...descriptor, size: 99 }, bytes), { code: 'corrupt' });
  assert.equal(store.findBlob(descriptor.digest), undefined);
  const [one, two] = await Promise.all([1, 2].map(() => store.putDocument(descriptor, bytes)));
  assert.deepEqual(one, two);
  assert.deepEqual(readFileSync(one!.path), bytes);
  assert.deepEqual(litter(store), []);
});

test('what was disposed is resumed, what was discarded is not', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const bytes = noise(3, 10_000);
  {
    using held = await begin(store, bytes);
    held.writeAt(bytes.subarray(1000, 2000), 1000);
    held.writeAt(bytes.subarray(4000, 5000), 4000);
    held.writeAt(bytes.subarray(2000, 3000), 2000);
  }
  {
    using held = await begin(store, bytes);
    assert.deepEqual(held.extents, [
      { start: 1000, end: 3000 },
      { start: 4000, end: 5000 },
    ]);
    assert.equal(held.received, 3000);
    assert.deepEqual(readFileSync(held.path).subarray(1000, 3000), bytes.subarray(1000, 3000));
    held.discard();
    held.discard();
    assert.deepEqual(litter(store), []);
  }
  using held = await begin(store, bytes);
  assert.deepEqual(held.extents, []);
  held[Symbol.dispose]();
  assert.deepEqual(litter(store), [], 'nothing came, nothing stays');
});

test('a killed process loses a mebibyte at most', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  const size = 16 * MiB;
  const child = new Child([root, 'fetch', `7,${size}`]);
  await child.ready();
  await child.kill();
  using store = await openStore({ root });
  const bytes = noise(7, size);
  using held = await begin(store, bytes);
  assert.ok(held.received > 8 * MiB - 2 * MiB, `${held.received}`);
  const file = readFileSync(held.path);
  for (const { start, end } of held.extents) {
    assert.ok(file.subarray(start, end).equals(bytes.subarray(start, end)), `${start}-${end}`);
  }
  held.writeAt(bytes, 0);
  await held.commit();
});

test('a state that is torn, of another boot or of another blob means that nothing is there', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const seed = readSeed();
  const random = createRandom(seed);
  const bytes = noise(4, 10_000);
  const hex = digestOf(bytes).slice(7);
  const state = path.join(store.root, 'ingest', `sha256-${hex}.state`);
  const part = path.join(store.root, 'ingest', `sha256-${hex}.part`);
  const leave = async () => {
    using held = await begin(store, bytes);
    if (held.received === 0) held.writeAt(bytes.subarray(0, 5000), 0);
  };
  const resumed = async (size = bytes.length) => {
    const begun = await store.beginIngest({ digest: digestOf(bytes), size });
    assert.ok('writeAt' in begun);
    using held = begun;
    return held.received;
  };
  await leave();
  assert.equal(await resumed(), 5000);
  for (let round = 0; round < 60; round++) {
    await leave();
    const text = readFileSync(state);
    // The state of one extent: everything up to its checksum counts.
    const at = random.integer(8 + 40 + 8 + 8 + 16 + 4);
    text[at] = text[at]! ^ (1 + random.integer(255));
    writeFileSync(state, text);
    assert.equal(await resumed(), 0, `seed ${seed}, byte ${at}`);
  }
  await leave();
  truncateSync(state, 60);
  assert.equal(await resumed(), 0);
  await leave();
  truncateSync(part, 100); // The file is shorter than its state says.
  assert.equal(await resumed(), 0);
  await leave();
  assert.equal(await resumed(9999), 0, 'another size');
});

test('what a state says counts in its own boot only, and as far as the file goes', () => {
  const list = [
    { start: 0, end: 10 },
    { start: 20, end: 30 },
  ];
  const text = formatIngestState({ size: 40, boot: 'a', extents: new Extents(list) });
  const read = (size: number, boot: string | undefined, available: number) =>
    readIngestState(text, size, boot, available).list();
  assert.deepEqual(read(40, 'a', 40), list);
  assert.deepEqual(read(40, 'a', 30), list);
  assert.deepEqual(read(40, 'a', 29), list.slice(0, 1));
  assert.deepEqual(read(40, 'b', 40), []);
  assert.deepEqual(read(40, undefined, 40), []);
  assert.deepEqual(read(41, 'a', 41), []);
  const many = Array.from({ length: 1000 }, (_, at) => ({ start: at * 10, end: at * 10 + 1 + (at % 7) }));
  const large = formatIngestState({ size: 10_000, boot: 'a', extents: new Extents(many) });
  assert.ok(large.length <= stateBytes, 'it never grows');
  const kept = readIngestState(large, 10_000, 'a', 10_000).list();
  assert.ok(kept.length > 100 && kept.every(({ start, end }) => end - start >= 6), 'the largest stay');
});

test('any order of any pieces', async () => {
  using scratch = createScratch();
  using store = await openStore({ root: scratch.at('root') });
  const seed = readSeed();
  const random = createRandom(seed);
  const bytes = noise(seed, 40_000);
  const there = new Uint8Array(bytes.length);
  for (;;) {
    using held = await begin(store, bytes);
    const told = new Uint8Array(bytes.length);
    for (const { start, end } of held.extents) told.fill(1, start, end);
    assert.ok(Buffer.from(told).equals(there), `seed ${seed}: what was told is not what was written`);
    for (let piece = 0; piece < 20; piece++) {
      const start = random.integer(bytes.length);
      const end = Math.min(bytes.length, start + random.integer(8000));
      held.writeAt(bytes.subarray(start, end), start);
      there.fill(1, start, end);
    }
    assert.equal(
      held.received,
      there.reduce((sum, byte) => sum + byte, 0),
    );
    if (there.includes(0)) continue;
    await held.commit();
    break;
  }
  assert.ok(readFileSync(store.findBlob(digestOf(bytes))!.path).equals(bytes));
});

test('who wants a blob that another process fetches waits for it', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('root');
  using store = await openStore({ root });
  const bytes = noise(5, 4 * MiB);
  const wanted = { digest: digestOf(bytes), size: bytes.length };
  const child = new Child([root, 'fetch', `5,${4 * MiB}`]);
  await child.ready();
  await assert.rejects(store.beginIngest(wanted, { signal: AbortSignal.timeout(120) }), {
    code: 'cancelled',
  });
  let waited = true;
  const begun = store.beginIngest(wanted).finally(() => {
    waited = false;
  });
  await setTimeout(150);
  assert.equal(waited, true);
  await child.kill();
  const held = await begun;
  assert.ok('writeAt' in held);
  // Within this process as well.
  const other = store.beginIngest(wanted);
  held.writeAt(bytes, 0);
  const location = await held.commit();
  assert.deepEqual(await other, location);
});

test('eight processes want one blob: one fetches it', { skip }, async () => {
  using scratch = createScratch();
  const ended = await Promise.all(
    Array.from({ length: 8 }, () => run(scratch.at('root'), 'once', `6,${3 * MiB}`)),
  );
  assert.deepEqual(
    ended.filter(({ status }) => status !== 0).map(({ errors }) => errors),
    [],
  );
  assert.equal(ended.filter(({ output }) => output.trim() === 'true').length, 1);
});

test('a full disk', { skip: requires({ mounts: ['tmpfs'], tools: ['mount', 'umount'] }) }, async () => {
  using scratch = createScratch();
  const root = scratch.at('disk');
  using _ = mountSmall(root);
  using store = await openStore({ root });
  const old = noise(8, 2 * MiB);
  await ingest(store, old);
  const bytes = noise(9, 8 * MiB);
  {
    using lease = store.lease('pull of app', [digestOf(bytes)]);
    using held = await begin(store, bytes);
    assert.throws(
      () => {
        for (let at = 0; at < bytes.length; at += 65536) held.writeAt(bytes.subarray(at, at + 65536), at);
      },
      { code: 'exhausted', name: 'StoreError', hint: /shale gc/, message: /the disk is full \(ENOSPC\)/ },
    );
    assert.equal(lease.purpose, 'pull of app');
  }
  const { removed } = store.collectGarbage();
  assert.deepEqual(
    removed.map(({ kind, name }) => [kind, name]),
    [['blob', digestOf(old)]],
  );
  using held = await begin(store, bytes);
  assert.ok(held.received > 2 * MiB, `what had come is kept: ${held.received}`);
  assert.ok(readFileSync(held.path).subarray(0, held.received).equals(bytes.subarray(0, held.received)));
  assert.equal(existsSync(path.join(root, 'trash')), true);
  assert.deepEqual(readdirSync(path.join(root, 'trash')), []);
});

function mountSmall(root: string): Disposable {
  mkdirSync(root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', root]);
  return { [Symbol.dispose]: () => void execFileSync('umount', ['-l', root]) };
}
