/**
 * Processes on one cache, several at once, each killed at a random instant. Whatever they leave, what the cache serves is
 * right, what was complete stays, and `fsck` finds nothing.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../archive/fixture.ts';
import { shale } from '../cli/fixture.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { Cache } from '../registry/cache.ts';
import { type FakeRegistry, startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';

const seed = readSeed();
const seconds = Number(process.env.SECONDS ?? 20);

const images = {
  'app:1': noisyImage([1, 2, 3], { size: 300_000 }),
  'app:2': noisyImage([1, 2, 4], { size: 300_000 }),
  'other:1': noisyImage([2, 5], { size: 700_000 }),
} as const;
type Name = keyof typeof images;
const names = Object.keys(images) as Name[];

/** One cache under fire, with what it has to give. */
class Siege {
  readonly cache = new Cache();
  readonly #registry: FakeRegistry;
  readonly #references = new Map<Name, string>();
  readonly #random: Random;
  readonly counts = { started: 0, killed: 0 };
  #outputs = 0;

  constructor(registry: FakeRegistry, random: Random) {
    this.#registry = registry;
    this.#random = random;
  }

  reference(name: Name): string {
    return `${this.#registry.host}/${name}`;
  }

  async prepare(): Promise<void> {
    for (const name of names) {
      const layout = this.cache.file('layouts', name);
      await images[name].writeDirectory(layout);
      const output = this.cache.file('reference.sqfs');
      const ended = await shale(['render', `oci:${layout}`, output, '-q']);
      assert.equal(ended.status, 0, ended.stderr);
      this.#references.set(name, sha256(readFileSync(output)));
    }
  }

  /** The bytes must be right; that they are gone is for the caller to judge. */
  assertRight(name: Name, file: string): void {
    assert.equal(sha256(readFileSync(file)), this.#references.get(name), `${file} is not ${name}`);
  }

  /** Starts a command and most of the time kills it; one that lives has to succeed. */
  async strike(): Promise<void> {
    const random = this.#random;
    // Most want the same one at a time, so that they get in each other's way.
    const hot = names[Math.floor(Date.now() / 2000) % names.length] ?? 'app:1';
    const name = random.chance(0.75) ? hot : random.pick(names);
    const output = this.cache.file(`out-${this.#outputs++}.sqfs`);
    const commands = {
      pull: ['pull', this.reference(name), '-q'],
      render: ['render', this.reference(name), output, '-q'],
      gc: ['gc', '-q'],
      rm: ['rm', this.reference(name), '-q'],
      // At any time: others come and go meanwhile.
      fsck: ['fsck', '-q', ...(random.chance(0.5) ? ['--repair'] : [])],
    };
    const command = random.pick(['pull', 'pull', 'pull', 'render', 'render', 'gc', 'rm', 'fsck'] as const);
    const delay = random.chance(0.8) ? 100 + random.integer(random.pick([600, 1800])) : undefined;
    const child = this.cache.start(commands[command]);
    const timer = delay === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), delay);
    const { status, signal, stderr } = await child.ended;
    clearTimeout(timer);
    this.counts.started++;
    if (signal !== null) this.counts.killed++;
    else if (!(status === 0 || (status === 4 && command === 'rm'))) {
      assert.fail(`${commands[command].join(' ')}: status ${status}\n${stderr}`);
    }
    if (command === 'render' && existsSync(output)) this.assertRight(name, output);
    rmSync(output, { force: true });
  }

  /** What is complete; temporary names have other characters. */
  blobs(): string[] {
    const directory = path.join(this.cache.root, 'blobs', 'sha256');
    return existsSync(directory) ? readdirSync(directory).filter(name => /^[0-9a-f]{64}$/.test(name)) : [];
  }
}

test(`a cache survives SIGKILL at random instants (SEED=${seed} SECONDS=${seconds})`, async context => {
  const refetched: string[] = [];
  const layers = new Set<string>();
  await using registry = await startFakeRegistry({
    // Whoever asks for a layer holds its lock, and has looked: it cannot be there.
    onRequest: ({ method, path: url }) => {
      const hex = url.split(':').at(-1) ?? '';
      if (method === 'GET' && layers.has(hex) && siege.blobs().includes(hex)) refetched.push(hex);
    },
  });
  registry.on({ method: 'GET', path: '/blobs/' }, { pace: { bytes: 16_384, milliseconds: 12 } });
  for (const name of names) {
    for (const { digest } of registry.put(name, images[name]).layers) layers.add(digest.slice(7));
  }
  const siege = new Siege(registry, createRandom(seed));
  using cache = siege.cache;
  await siege.prepare();

  let end = Date.now() + seconds * 1000;
  const attack = async () => {
    try {
      while (Date.now() < end) await siege.strike();
    } finally {
      end = 0;
    }
  };
  await Promise.all([0, 70, 140, 210].map(delay => sleep(delay).then(attack)));
  context.diagnostic(`${siege.counts.started} processes, ${siege.counts.killed} of them killed`);
  assert.deepEqual(refetched, []);
  assert.ok(siege.counts.killed > 3, `${JSON.stringify(siege.counts)}: too few to say anything`);

  const { damaged } = await cache.json<{ damaged: unknown[] }>(['fsck']);
  assert.deepEqual(damaged, []);
  registry.heal();
  for (const name of names) {
    const whole = new Set(siege.blobs());
    registry.forget();
    const pulled = await cache.json<{ artifact: { path: string } }>(['pull', siege.reference(name)]);
    siege.assertRight(name, pulled.artifact.path);
    const fetched = registry
      .find({ method: 'GET', path: '/blobs/' })
      .map(({ path: url }) => url.split(':').at(-1));
    assert.deepEqual(
      fetched.filter(hex => whole.has(hex ?? '')),
      [],
    );
  }
  await cache.ok(['fsck']);

  // Nothing is left behind that nobody can ever find again.
  await cache.ok(['rm', ...names.map(name => siege.reference(name))]);
  // What nobody holds might still be somebody's for an hour, which we do not wait.
  const ingest = path.join(cache.root, 'ingest');
  for (const name of readdirSync(ingest))
    if (name.endsWith('.tmp')) utimesSync(path.join(ingest, name), 0, 0);
  // With --all also what interrupted pulls could have gone on with.
  await cache.ok(['gc', '--all']);
  assert.deepEqual(siege.blobs(), []);
  for (const name of ['ingest', 'trash', 'artifacts', 'leases']) {
    const directory = path.join(cache.root, name);
    assert.deepEqual(existsSync(directory) ? readdirSync(directory) : [], [], name);
  }
});
