/** The pipeline on damaged images, at its limits and interrupted: a typed error soon, and nothing left behind. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ImageOptions, render, verify } from '../../src/engine/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import { type LayerLimits, limitTable } from '../../src/layer/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { compress, type Form, fillStack, layoutOf, writeLayers, writeLayout } from '../engine/image.ts';
import { Scratch } from '../engine/scratch.ts';
import { endBlocks, header, pad, writeRecord } from '../engine/tar.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord } from '../model/record.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const mebibyte = 2 ** 20;

const file = (path: string, size: number): Buffer =>
  writeRecord(createRecord({ type: 'file', path, size }), Buffer.alloc(size, path));
const tarOf = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, endBlocks]);

/** Two good layers, the upper one of several slabs. */
const good = [
  tarOf(file('a', 5000), file('b', 70000)),
  tarOf(file('c', 3 * mebibyte), file('d', 100), file('e', mebibyte)),
];

/** Renders to all formats at once, where something stands already; whatever happens, that must stand there still. */
async function tryRender(source: string, options: ImageOptions = {}): Promise<unknown> {
  using out = new Scratch();
  writeFileSync(out.file('a.sqfs'), 'before');
  writeFileSync(out.file('a.tar'), 'before');
  mkdirSync(out.file('d'));
  const outputs = [
    { path: out.file('a.sqfs'), blockSize: 4096 },
    { path: out.file('a.tar') },
    { path: out.file('d/') },
  ];
  let failure: unknown;
  try {
    await render(source, outputs, { platform: 'linux/amd64', jobs: 1, ...options });
    return undefined;
  } catch (error) {
    failure = error;
  }
  assert.deepEqual(readdirSync(out.path).sort(), ['a.sqfs', 'a.tar', 'd'], 'something was left');
  assert.deepEqual(readdirSync(out.file('d')), []);
  for (const name of ['a.sqfs', 'a.tar']) assert.equal(readFileSync(out.file(name), 'utf8'), 'before');
  return failure;
}

function assertShaleError(error: unknown, what: string): asserts error is ShaleError {
  assert.ok(error instanceof ShaleError, `${what}: ${error instanceof Error ? error.stack : error}`);
  assert.notEqual(error.code, 'internal', `${what}: ${error.stack}`);
}

type Bent = Parameters<typeof layoutOf>[2];

async function renderBent(tars: readonly Buffer[], bent: Bent, form: Form = 'gzip', options?: ImageOptions) {
  using scratch = new Scratch();
  const source = await writeLayout(
    scratch.directory('layout'),
    layoutOf(tars, () => form, bent),
  );
  return await tryRender(source, options);
}

test('a good image renders, so that the failures below mean something', async () => {
  for (const form of ['none', 'gzip', 'zstd', 'members', 'frames'] as const) {
    assert.equal(await renderBent(good, {}, form), undefined);
  }
});

const upper = (change: (bytes: Buffer) => Buffer) => ({
  blob: (bytes: Buffer, layer: number) => (layer === 1 ? change(bytes) : bytes),
});

test(`a layer that was cut before it was named is corrupt, wherever (SEED=${seed})`, async () => {
  const random = createRandom(seed);
  for (const form of ['none', 'gzip', 'zstd', 'members'] as const) {
    for (const part of [0, random.integer(1000) / 1000, 0.999]) {
      const change = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * part));
      const error = await renderBent(good, upper(change), form);
      const what = `${form} cut at ${part}`;
      assertShaleError(error, what);
      assert.equal(error.code, 'corrupt', `${what}: ${error.message}`);
      assert.equal(error.detail.layer, 1, `${what}: ${error.message}`);
    }
  }
});

test(`a layer with a flipped byte is corrupt, wherever (SEED=${seed})`, async () => {
  const random = createRandom(seed + 1);
  for (const form of ['none', 'gzip', 'zstd', 'frames'] as const) {
    for (let round = 0; round < 2; round++) {
      let at = 0;
      const named = random.chance(0.5);
      const flip = (bytes: Buffer) => {
        const changed = Buffer.from(bytes);
        at = random.integer(bytes.length);
        changed[at]! ^= 1 + random.integer(255);
        return changed;
      };
      // Flipped before the digest was taken, or after it.
      using scratch = new Scratch();
      const files = layoutOf(good, () => form, named ? upper(flip) : {});
      if (!named) {
        const blob = compress(good[1]!, form);
        files.put(`blobs/sha256/${sha256(blob)}`, flip(blob));
      }
      const error = await tryRender(await writeLayout(scratch.directory('layout'), files));
      // Some bytes do not matter: a time in gzip's header.
      if (named && error === undefined) continue;
      const what = `${form} flipped at ${at}, ${named ? 'then' : 'once'} named`;
      assertShaleError(error, what);
      if (!named) assert.equal(error.code, 'corrupt', `${what}: ${error.message}`);
      assert.equal(error.detail.layer, 1, `${what}: ${error.message}`);
    }
  }
});

test('what the image says of its layers has to be true', async () => {
  const other = `sha256:${sha256('other')}`;
  const ids = good.map(tar => `sha256:${sha256(tar)}`);
  const change = (fields: object) => ({
    descriptor: (given: Record<string, unknown>, layer: number) =>
      layer === 1 ? { ...given, ...fields } : given,
  });
  const size = compress(good[1]!, 'gzip').length;
  const cases: [string, Bent, string, number | undefined][] = [
    ['a wrong diffID', { diffIds: [ids[0]!, other] }, 'corrupt', 1],
    ['diffIDs in another order', { diffIds: [ids[1]!, ids[0]!] }, 'corrupt', undefined],
    ['a diffID too few', { diffIds: ids.slice(0, 1) }, 'invalid', undefined],
    ['a diffID too many', { diffIds: [...ids, other] }, 'invalid', undefined],
    ['a digest of nothing', change({ digest: other }), 'not-found', undefined],
    ['a size too small', change({ size: size - 1 }), 'corrupt', undefined],
    ['a size too large', change({ size: size + 1 }), 'corrupt', undefined],
    ['an unknown media type', change({ mediaType: 'application/x-unknown' }), 'unsupported', undefined],
  ];
  for (const [what, bent, code, layer] of cases) {
    const error = await renderBent(good, bent);
    assertShaleError(error, what);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    if (layer !== undefined) assert.equal(error.detail.layer, layer, `${what}: ${error.message}`);
  }
});

test('an entry that the contract rejects is named with its layer', async () => {
  const bytes = (flag: string, name = 'bad') => Buffer.concat([header({ name, flag })]);
  const cases: [string, Buffer, RegExp][] = [
    ['an unknown type flag', bytes('Q'), /layer 1 .*bad/],
    ['a climbing path', file('x/../../bad', 1), /layer 1 .*bad/],
    [
      'a hardlink to nothing',
      writeRecord(createRecord({ type: 'hardlink', path: 'bad', linkpath: 'no' }), Buffer.alloc(0)),
      /layer 1 .*bad/,
    ],
    ['a whiteout of nothing', file('bad/.wh.', 0), /layer 1 .*bad/],
    [
      'an extension before nothing',
      Buffer.concat([header({ name: 'x', flag: 'x', size: 12 }), pad(Buffer.from('12 path=bad\n'))]),
      /layer 1/,
    ],
    ['a wrong checksum', Buffer.concat([Buffer.from(file('bad', 0)).fill('9', 148, 154)]), /layer 1/],
    ['garbage', Buffer.alloc(1024, 'garbage '), /layer 1/],
  ];
  for (const [what, part, place] of cases) {
    const error = await renderBent([good[0]!, tarOf(file('fine', 100), part)], {});
    assertShaleError(error, what);
    assert.match(error.message, place, what);
    assert.ok(['invalid', 'corrupt'].includes(error.code), `${what}: ${error.code}`);
  }
});

test('each limit is an error that names its flag, the layer, and the entry where it has one', async () => {
  const xattrs = new Map([['user.large', Buffer.alloc(2000)]]);
  const large = createRecord({ type: 'file', path: 'bad', size: 0, xattrs });
  const segments = [1, 2, 3].map(at => ({ offset: at * 8192, bytes: Buffer.from('data') }));
  const sparse = createRecord({ type: 'file', path: 'bad', size: 32768 });
  const none = Buffer.alloc(0);
  const cases: [keyof LayerLimits, Partial<LayerLimits>, Buffer, RegExp][] = [
    ['entries', { entries: 2 }, tarOf(file('a', 0), file('b', 0), file('bad', 0)), /layer 1.*bad|the image/],
    ['pathBytes', { pathBytes: 10 }, tarOf(file('bad/0123456789', 0)), /layer 1 .*bad/],
    ['pathDepth', { pathDepth: 3 }, tarOf(file('bad/1/2/3', 0)), /layer 1 .*bad/],
    ['xattrBytes', { xattrBytes: 1000 }, tarOf(writeRecord(large, none)), /layer 1 .*bad/],
    ['paxBytes', { paxBytes: 1000 }, tarOf(writeRecord(large, none)), /layer 1/],
    ['sparseSegments', { sparseSegments: 2 }, tarOf(writeRecord(sparse, segments)), /layer 1 .*bad/],
    ['totalBytes', { totalBytes: 200_000 }, tarOf(file('bad', 300_000)), /the image|layer 1/],
    ['ratio', { ratio: 10, ratioFloor: 100_000 }, tarOf(file('bad', 5 * mebibyte)), /layer 1/],
  ];
  for (const [name, limits, tar, place] of cases) {
    const error = await renderBent([tarOf(file('z', 10)), tar], {}, 'gzip', { limits });
    assertShaleError(error, name);
    assert.equal(error.code, 'exhausted', `${name}: ${error.message}`);
    assert.ok(error.message.includes(limitTable[name].flag), `${name}: ${error.message}`);
    assert.match(error.message, place, name);
  }
});

/** Enough to be interrupted in. */
function createLarge(): Buffer[] {
  const random = createRandom(seed);
  const records = [0, 1, 2].map(layer =>
    Array.from({ length: 12 }, (_, index) => createRecord({ type: 'file', path: `${layer}/${index}` })),
  );
  return writeLayers(fillStack(records, random, mebibyte));
}

test(`an aborted render is cancelled, whenever that is, and leaves nothing (SEED=${seed})`, async () => {
  using scratch = new Scratch();
  const random = createRandom(seed + 2);
  const source = await writeLayout(
    scratch.directory('layout'),
    layoutOf(createLarge(), () => 'zstd'),
  );
  const begin = performance.now();
  assert.equal(await tryRender(source), undefined);
  const whole = performance.now() - begin;
  let cancelled = 0;
  for (let round = 0; round < 8; round++) {
    const controller = new AbortController();
    const options = { signal: controller.signal, jobs: 1 + random.integer(3) };
    if (round === 0) controller.abort();
    const rendering = tryRender(source, options);
    const delay = Math.floor((whole * (round + random.integer(100) / 100)) / 8);
    const abort = sleep(delay).then(() => controller.abort());
    const error = await Promise.race([rendering, sleep(delay + 10_000, 'hangs')]);
    await abort;
    if (error === undefined) continue;
    assertShaleError(error, `aborted after ${delay} ms`);
    assert.equal(error.code, 'cancelled', error.message);
    cancelled += 1;
  }
  assert.ok(cancelled >= 3, `only ${cancelled} renders were still on their way`);
});

test(`the least memory that is accepted suffices (SEED=${seed})`, async () => {
  for (let round = 0; round < 4; round++) {
    using scratch = new Scratch();
    const random = createRandom(seed + 10 + round);
    const blockSize = random.pick([4096, 131072, mebibyte]);
    // Tails of more than half a block: none shares a fragment block with another.
    const large = Array.from({ length: 100 }, (_, index) => {
      const size = Math.min(blockSize, 262144) / 2 + (random.integer(100_000) % 2000);
      const noise = Buffer.alloc(size + index, `${index} of some text`);
      for (let at = 0; at < noise.length; at += 16)
        noise.writeUInt32LE(random.integer(0x1_0000_0000), Math.min(at, noise.length - 4));
      return writeRecord(createRecord({ type: 'file', path: `${index}`, size: noise.length }), noise);
    });
    const source = await writeLayout(
      scratch.directory('layout'),
      layoutOf([tarOf(...large)], () => 'none'),
    );
    const outputs = ['a.sqfs', 'b.sqfs'].slice(0, 1 + random.integer(2)).map(name => ({
      path: scratch.file(name),
      blockSize,
      compression: random.pick(['zstd', 'none'] as const),
    }));
    const options = { platform: 'linux/amd64', jobs: 1 + random.integer(4) };
    const error = await render(source, outputs, { ...options, memory: 1 }).catch((given: unknown) => given);
    assertShaleError(error, 'no memory');
    const memory = error.detail.needed as number;
    const rendering = render(source, outputs, { ...options, memory });
    const end = await Promise.race([rendering, sleep(20_000, 'hangs', { ref: false })]);
    assert.notEqual(end, 'hangs', JSON.stringify({ outputs, options, memory, seed: seed + 10 + round }));
  }
});

test('an aborted verification is cancelled', async () => {
  using scratch = new Scratch();
  const source = await writeLayout(scratch.directory('layout'), layoutOf(good));
  await render(source, [{ path: scratch.file('a.sqfs') }], { platform: 'linux/amd64' });
  for (const delay of [0, 5, 30, 60]) {
    const controller = new AbortController();
    if (delay === 0) controller.abort();
    else setTimeout(() => controller.abort(), delay);
    try {
      await verify(source, scratch.file('a.sqfs'), { platform: 'linux/amd64', signal: controller.signal });
    } catch (error) {
      assertShaleError(error, `after ${delay} ms`);
      assert.equal(error.code, 'cancelled');
      continue;
    }
    assert.notEqual(delay, 0);
  }
});

const skip = requires({ root: true, mounts: ['tmpfs'] });
const small = skip === false ? new Scratch() : undefined;
before(() => {
  if (small !== undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'shale-test', small.path]);
});
after(() => {
  if (small === undefined) return;
  execFileSync('umount', [small.path]);
  small[Symbol.dispose]();
});

test('a full disk is said to be one, and nothing is left on it', { skip }, async () => {
  using scratch = new Scratch();
  const noise = Buffer.alloc(6 * mebibyte);
  const random = createRandom(seed);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(random.integer(0x1_0000_0000), at);
  const record = createRecord({ type: 'file', path: 'noise', size: noise.length });
  const source = await writeLayout(
    scratch.directory('layout'),
    layoutOf([tarOf(writeRecord(record, noise))], () => 'none'),
  );
  for (const name of ['a.sqfs', 'a.tar', 'a/']) {
    const rendering = render(source, [{ path: small!.file(name) }], { platform: 'linux/amd64' });
    const error = await rendering.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    assertShaleError(error, name);
    assert.equal(error.code, 'exhausted', `${name}: ${error.message}`);
    assert.deepEqual(readdirSync(small!.path), [], name);
  }
});
