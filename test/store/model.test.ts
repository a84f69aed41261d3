import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasLibc } from '../../src/host/index.ts';
import { type Digest, formatReference, parseReference } from '../../src/oci/index.ts';
import { type Lease, openStore, type Store } from '../../src/store/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { createSample, digestOf, ingest, noise, put, type Sample } from './sample.ts';

const steps = 120;
const full = (name: string) => formatReference(parseReference(name));

/** What the cache should be: nothing but maps, and the one rule of what is needed. */
class Model {
  /** `reference platform` to the image. */
  readonly images = new Map<string, Sample>();
  readonly blobs = new Map<string, number>();
  readonly indexes = new Set<string>();
  /** Of layers, by diffID. */
  readonly artifacts = new Set<string>();
  leases: { readonly lease: Lease; readonly digests: ReadonlySet<string>; dead: boolean }[] = [];

  put(sample: Sample): void {
    for (const [digest, bytes] of sample.blobs) this.blobs.set(digest, bytes.length);
    const key = `${sample.image.reference} ${sample.image.platform}`;
    this.images.delete(key);
    this.images.set(key, sample);
  }

  tag(from: string, to: string): void {
    const found = [...this.images.values()].filter(({ image }) => image.reference === from);
    for (const [key, { image }] of [...this.images]) if (image.reference === to) this.images.delete(key);
    for (const { image, blobs } of found) this.put({ image: { ...image, reference: to }, blobs });
  }

  /** Removes what is not needed, of `among`; the bytes that this frees. */
  collect(among: (digest: string) => boolean = () => true): number {
    const needed = new Set<string>(this.leases.flatMap(({ digests }) => [...digests]));
    for (const { image, blobs } of this.images.values()) {
      for (const digest of blobs.keys()) needed.add(digest);
      for (const { diffId } of image.layers) needed.add(diffId);
    }
    let freed = 0;
    for (const [digest, size] of [...this.blobs]) {
      if (needed.has(digest) || !among(digest)) continue;
      this.blobs.delete(digest);
      freed += size;
    }
    for (const [things, bytes] of [
      [this.indexes, indexBytes],
      [this.artifacts, artifactBytes],
    ] as const) {
      for (const diffId of [...things]) {
        if (needed.has(diffId) || !among(diffId)) continue;
        things.delete(diffId);
        freed += bytes;
      }
    }
    return freed;
  }

  remove(name: string): number {
    const gone = [...this.images].filter(([, { image }]) => image.reference === name);
    for (const [key] of gone) this.images.delete(key);
    const own = new Set<string>(
      gone.flatMap(([, { image, blobs }]) => [...blobs.keys(), ...image.layers.map(({ diffId }) => diffId)]),
    );
    return this.collect(digest => own.has(digest));
  }
}

const indexBytes = 8 + 32 + 5;
const artifactBytes = 4097;
const keyOf = (diffId: Digest) => ({ diffId, format: 'erofs-layer', options: {}, versions: {} });
const universe = Array.from({ length: 8 }, (_, seed) => ({
  layer: digestOf(noise(seed, 500 + seed)),
  diffId: digestOf(Buffer.from(`diff ${seed}`)),
}));

function pickSample(random: Random): Sample {
  const layers = Array.from({ length: 1 + random.integer(3) }, () => random.integer(universe.length));
  const platform = random.pick(['linux/amd64', 'linux/amd64', 'linux/arm64']);
  return createSample(full(`app:${random.integer(4)}`), layers, { platform, size: 500 });
}

async function step(store: Store, model: Model, random: Random): Promise<string> {
  const name = full(`app:${random.integer(4)}`);
  const { layer, diffId } = random.pick(universe);
  const seed = universe.findIndex(each => each.layer === layer);
  const actions = {
    async put() {
      const sample = pickSample(random);
      await put(store, sample);
      model.put(sample);
    },
    tag() {
      const to = full(`app:${random.integer(4)}`);
      if (store.findImages(name).length === 0) return;
      store.tagImages(store.findImages(name), to);
      if (to !== name) model.tag(name, to);
    },
    remove() {
      assert.equal(store.removeImages(store.findImages(name)).freedBytes, model.remove(name));
    },
    gc() {
      const all = random.chance(0.5);
      if (all) model.leases = model.leases.filter(({ dead }) => !dead);
      const dry = store.collectGarbage({ dryRun: true, all });
      assert.deepEqual(store.collectGarbage({ all }), dry);
      assert.equal(dry.freedBytes, model.collect());
    },
    async blob() {
      await ingest(store, noise(seed, 500 + seed));
      model.blobs.set(layer, 500 + seed);
    },
    async index() {
      await store.putLayerIndex(diffId, Buffer.from('index'));
      model.indexes.add(diffId);
    },
    async convert() {
      const begun = await store.beginArtifact(keyOf(diffId), 'erofs');
      assert.equal('key' in begun, model.artifacts.has(diffId));
      if (!('commit' in begun)) return;
      using draft = begun;
      writeFileSync(draft.path, noise(seed, artifactBytes));
      await draft.commit({ size: artifactBytes });
      model.artifacts.add(diffId);
    },
    lease() {
      const digests = [layer, diffId];
      const lease = store.lease(`pull of ${random.integer(1e9)}`, digests);
      model.leases.push({ lease, digests: new Set(digests), dead: false });
    },
    release() {
      const live = model.leases.filter(({ dead }) => !dead);
      const chosen = live[random.integer(live.length || 1)];
      if (chosen === undefined) return;
      if (random.chance(0.5)) {
        chosen.lease.release();
        model.leases = model.leases.filter(each => each !== chosen);
      } else {
        chosen.lease[Symbol.dispose]();
        chosen.dead = true;
      }
    },
  } satisfies Record<string, () => void | Promise<void>>;
  const action = random.pick(Object.keys(actions) as (keyof typeof actions)[]);
  await actions[action]();
  return action;
}

function assertSame(store: Store, model: Model, what: string): void {
  assert.deepEqual(
    store
      .images()
      .map(({ reference, platform, manifest }) => `${reference} ${platform} ${manifest}`)
      .sort(),
    [...model.images].map(([key, { image }]) => `${key} ${image.manifest}`).sort(),
    what,
  );
  const [blobs, artifacts] = store.measureUsage().rows;
  const bytes = [...model.blobs.values()].reduce((sum, size) => sum + size, 0);
  assert.deepEqual([blobs!.count, blobs!.bytes], [model.blobs.size, bytes], what);
  const count = model.artifacts.size;
  assert.deepEqual([artifacts!.count, artifacts!.bytes], [count, count * artifactBytes], what);
  for (const { layer, diffId } of universe) {
    assert.equal(store.findArtifact(keyOf(diffId)) !== undefined, model.artifacts.has(diffId), what);
    assert.equal(store.findBlob(layer) !== undefined, model.blobs.has(layer), `${what}: blob ${layer}`);
    assert.equal(
      store.findLayerIndex(diffId) !== undefined,
      model.indexes.has(diffId),
      `${what}: index ${diffId}`,
    );
  }
}

const skip = hasLibc() ? false : 'needs libc through koffi';

test('random operations, against a model', { skip }, async t => {
  const seed = readSeed();
  t.diagnostic(`seed ${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const root = scratch.at('root');
  const model = new Model();
  let store = await openStore({ root });
  try {
    const done: string[] = [];
    for (let number = 0; number < steps; number++) {
      done.push(await step(store, model, random));
      assertSame(store, model, `seed ${seed}, after ${done.slice(-8).join(', ')}`);
      if (random.chance(0.1) && model.leases.every(({ dead }) => dead)) {
        store[Symbol.dispose]();
        store = await openStore({ root });
      }
    }
    assert.deepEqual((await store.check()).damaged, [], `seed ${seed}`);
  } finally {
    store[Symbol.dispose]();
  }
});
