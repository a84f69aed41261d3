/**
 * Run by tests in a process of its own: `node child.ts ROOT ACTION ARGUMENT FAILPOINT[:N]`. Does the action, and dies by
 * SIGKILL when it reaches the failpoint for the Nth time. `hold`, `fetch` and `sweep` say "ready" and go on until their end.
 */
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { parseDigest } from '../../src/oci/index.ts';
import { type Failpoint, openStore, type StoredArtifact } from '../../src/store/index.ts';
import { createVerityTree, measureFile } from '../../src/verity/index.ts';
import { createRandom } from '../model/random.ts';
import { createSample, digestOf, ingest, noise, put } from './sample.ts';

const [root, action, argument = '', failpoint = ''] = process.argv.slice(2) as [
  string,
  string,
  string?,
  string?,
];
const [point, count = '1'] = failpoint.split(':');
let left = Number(count);
const reach = (reached: Failpoint): void => {
  if (reached === point && --left === 0) process.kill(process.pid, 'SIGKILL');
};
const numbers = argument.split(',').filter(Boolean).map(Number);
const wait = async (): Promise<void> => {
  console.log('ready');
  await setTimeout(60_000);
};

const actions: Readonly<Record<string, () => Promise<void>>> = {
  async open() {
    using store = await openStore({ root, reach });
    console.log(JSON.stringify(store.images().length));
  },
  /** ARGUMENT: the layers, by number; the last is the tag as well. */
  async pull() {
    using store = await openStore({ root, reach });
    await put(store, createSample(`docker.io/library/app:${numbers.at(-1)}`, numbers));
  },
  async rm() {
    using store = await openStore({ root, reach });
    store.removeImages(store.findImages(argument));
  },
  async gc() {
    using store = await openStore({ root, reach });
    store.collectGarbage(argument === 'all' ? { all: true } : {});
  },
  /** Collects, and says what stays and why. */
  async kept() {
    using store = await openStore({ root, reach });
    for (const { kind, name, reason } of store.collectGarbage().kept)
      console.log(`${kind} ${name}: ${reason}`);
  },
  async render() {
    using store = await openStore({ root, reach });
    const [image] = store.findImages(argument);
    const key = { manifest: image!.manifest, format: 'tar', options: {}, versions: {} };
    using draft = store.createArtifact(key, 'tar');
    writeFileSync(draft.path, noise(1, 1000));
    if (failpoint === 'hold') await wait();
    await draft.commit({ digest: digestOf(noise(1, 1000)), size: 1000 });
  },
  /** Makes the artifact of a layer, with its tree, unless it is there by then. ARGUMENT: its diffID. Says which, and the inode. */
  async convert() {
    using store = await openStore({ root, reach });
    const diffId = parseDigest(argument);
    const key = { diffId, format: 'erofs-layer', options: {}, versions: { shale: '1' } };
    const begun = await store.beginArtifact(key, 'erofs');
    let artifact: StoredArtifact;
    if ('commit' in begun) {
      using draft = begun;
      writeFileSync(draft.path, noise(5, 300 * 4096));
      if (failpoint === 'hold') await wait();
      const tree = `${draft.path}.tree`;
      await createVerityTree({ data: draft.path, tree });
      artifact = await draft.commit({ size: 300 * 4096, measured: await measureFile(draft.path), tree });
    } else artifact = begun;
    console.log('commit' in begun ? 'made' : 'found', lstatSync(artifact.path).ino);
  },
  /** ARGUMENT: the artifact's key. Says the root hash. */
  async hash() {
    using store = await openStore({ root, reach });
    const artifact = store.artifacts().find(({ key }) => key === argument)!;
    const { path: data } = artifact;
    const salt = Buffer.alloc(4);
    const made = await store.putVerity(artifact, tree => createVerityTree({ data, tree, salt }));
    console.log(made.rootHash);
  },
  async hold() {
    using store = await openStore({ root, reach });
    store.lease(
      'pull of app',
      numbers.map(seed => digestOf(noise(seed, 5000 + seed))),
    );
    await wait();
  },
  /** Fetches half of a blob of SIZE bytes, and halts. */
  async fetch() {
    using store = await openStore({ root, reach });
    const [seed, size] = numbers as [number, number];
    const bytes = noise(seed, size);
    using lease = store.lease('pull of app', [digestOf(bytes)]);
    const begun = await store.beginIngest({ digest: digestOf(bytes), size });
    if (!('writeAt' in begun)) throw new Error('it is there');
    begun.writeAt(bytes.subarray(0, size / 4), 0);
    begun.writeAt(bytes.subarray(size / 2, size * (3 / 4)), size / 2);
    await wait();
    lease.release();
  },
  /** Puts and removes images that share layers with those of other processes, and looks that none lacks anything. */
  async churn() {
    using store = await openStore({ root });
    const [seed, rounds] = numbers as [number, number];
    const random = createRandom(seed);
    for (let round = 0; round < rounds; round++) {
      const layers = [random.integer(4), random.integer(4), 10 + random.integer(2)];
      const sample = createSample(`docker.io/library/churn:${seed}`, layers, { size: 2000 });
      await put(store, sample);
      for (const [digest, bytes] of sample.blobs) {
        const there = store.findBlob(digest, bytes.length);
        if (there === undefined || !readFileSync(there.path).equals(bytes))
          throw new Error(`${digest} is gone`);
      }
      if (random.chance(0.6)) store.removeImages([sample.image]);
    }
  },
  async sweep() {
    using store = await openStore({ root });
    console.log('ready');
    for (;;) {
      store.collectGarbage();
      await setTimeout(1);
    }
  },
  /** Fetches a blob, if nobody else has; says how often it wrote. */
  async once() {
    using store = await openStore({ root, reach });
    const [seed, size] = numbers as [number, number];
    console.log(JSON.stringify(await ingest(store, noise(seed, size))));
  },
};

await actions[action]!();
