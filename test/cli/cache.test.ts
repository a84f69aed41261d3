/** What the commands of the cache say and print, on a cache that was pulled into; what they do is judged in test/oracle and test/store. */
import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cache } from '../registry/cache.ts';
import { type FakeRegistry, Gate, startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';
import { requires } from '../requirement.ts';
import { bin, cleanEnvironment, run } from './fixture.ts';

let registry: FakeRegistry;
let cache: Cache;
let name = '';
before(async () => {
  registry = await startFakeRegistry();
  cache = new Cache();
  registry.put('team/app:1', noisyImage([1, 2]));
  registry.put('team/app:2', noisyImage([1, 3]));
  name = `${registry.host}/team/app`;
  await cache.ok(['pull', `${name}:1`, '-q']);
});
after(async () => {
  cache?.[Symbol.dispose]();
  await registry?.[Symbol.asyncDispose]();
});

const lines = (text: string | Buffer) => text.toString().split('\n').filter(Boolean);

test('pull: the name with its digest on standard output, a line a layer on standard error', async () => {
  const { stdout, stderr } = await cache.ok(['pull', `${name}:2`]);
  assert.match(stdout.toString(), new RegExp(`^${name}@sha256:[0-9a-f]{64}\n$`));
  const said = lines(stderr);
  assert.match(said[0]!, /^downloading 1 layer, [\d.]+ kB; 1 layer already there$/);
  assert.equal(said.filter(line => /^layer 1 [0-9a-f]{12} downloaded, .* \(1 of 1\)$/.test(line)).length, 1);
  assert.equal(
    said.filter(line => /^layer [01] [0-9a-f]{12} rendered, .* \([12] of 2\)$/.test(line)).length,
    2,
  );
  assert.match(said.at(-2)!, /app:2 \(linux\/amd64\): downloaded .*; 1 of 2 layers were there; in /);
  assert.match(said.at(-1)!, /\.sqfs: squashfs, /);

  const again = await cache.ok(['pull', `${name}:2`]);
  assert.match(again.stderr, /^2 layers, .*, all already there$/m);
  assert.match(again.stderr, /: up to date$/m);
  const quiet = await cache.ok(['pull', `${name}:2`, '-q']);
  assert.deepEqual([quiet.stdout.toString(), quiet.stderr], [stdout.toString(), '']);
});

test('pull: events for programs', async () => {
  const { stderr } = await cache.ok(['pull', `${name}:1`, '--format', 'none', '--progress', 'json']);
  const events = lines(stderr).map(line => JSON.parse(line));
  assert.deepEqual(
    [events[0].event, events[0].layers.map((layer: { cached: boolean }) => layer.cached)],
    [...['image', [true, true]]],
  );
  const end = events.at(-1);
  assert.deepEqual([end.event, end.upToDate, end.reference], ['end', true, `${name}:1`]);
});

test('a render of what the cache has takes it from there', async () => {
  const out = cache.file('out.sqfs');
  const { stderr } = await cache.ok(['render', `cache:${name}:1`, out]);
  assert.match(stderr, /out\.sqfs: squashfs, .*, out of the cache$/m);
  assert.equal(statSync(out).isFile(), true);
});

test('images: a table for people, names for scripts, all of it for programs', async () => {
  const table = lines((await cache.ok(['images'])).stdout);
  assert.match(table[0]!, /^REFERENCE +PLATFORM +DIGEST +SIZE +ARTIFACTS +PULLED$/);
  assert.match(table[1]!, /app:1 +linux\/amd64 +[0-9a-f]{12} +[\d.]+ kB +squashfs .* ago$/);
  const names = lines((await cache.ok(['images', '-q'])).stdout);
  assert.deepEqual(names.slice(0, 1), [`${name}:1`]);
  const { images } = await cache.json<{ images: { reference: string; digest: string }[] }>(['images']);
  assert.match(images[0]!.digest, /^sha256:[0-9a-f]{64}$/);
  const full = (await cache.ok(['images', '--digests'])).stdout.toString();
  assert.ok(full.includes(images[0]!.digest));
});

test('tag and rm: names come and go, and what goes is said', async () => {
  const { stderr } = await cache.ok(['tag', `${name}:1`, 'other']);
  assert.match(stderr, /^tagged docker\.io\/library\/other:latest \(linux\/amd64\)$/m);
  const { stdout, stderr: said } = await cache.ok(['rm', 'other']);
  assert.equal(stdout.toString(), 'docker.io/library/other:latest linux/amd64\n');
  assert.match(said, /^removed 1 image, freed 0 B$/m);
  assert.match(await cache.fails(4, ['rm', 'other']), /the cache has no image "other"/);
  assert.equal(lines((await cache.ok(['images', '-q'])).stdout).includes(`${name}:1`), true);
});

test('gc says why what stays stays, du adds up', async () => {
  const dry = await cache.ok(['gc', '--dry-run']);
  for (const line of lines(dry.stdout)) assert.match(line, /^keep +\w+ +\S+ +[\d.]+ k?B {2}\S.*/);
  assert.match(dry.stdout.toString(), /^keep +blob +sha256:.* referenced by /m);
  assert.match(dry.stderr, /^would free nothing: \d+ items would stay$/m);
  const usage = await cache.json<{ rows: { kind: string; bytes: number }[]; images: object[] }>(['du']);
  assert.ok(usage.rows.find(({ kind }) => kind === 'blobs')!.bytes > 100_000);
  assert.match((await cache.ok(['du'])).stdout.toString(), /^total +\d+ +[\d.]+ k?M?B +0 B \(0%\)$/m);
});

test('fsck: 0 for a sound cache, 8 for a damaged one, 0 once it is repaired', async () => {
  const blobs = path.join(cache.root, 'blobs', 'sha256');
  const sound = await cache.ok(['fsck']);
  assert.deepEqual([sound.stdout.length, /nothing is damaged$/m.test(sound.stderr)], [0, true]);
  const [largest] = readdirSync(blobs).sort(
    (one, other) => statSync(path.join(blobs, other)).size - statSync(path.join(blobs, one)).size,
  );
  writeFileSync(path.join(blobs, largest!), Buffer.alloc(statSync(path.join(blobs, largest!)).size, 1));

  const damaged = await cache.run(['fsck']);
  assert.equal(damaged.status, 8, damaged.stderr);
  assert.match(damaged.stdout.toString(), new RegExp(`^blob +sha256:${largest} +damaged  \\S`, 'm'));
  assert.match(damaged.stderr, /damaged; shale fsck --repair/);
  const repaired = await cache.ok(['fsck', '--repair']);
  assert.match(
    repaired.stdout.toString(),
    new RegExp(`^blob +sha256:${largest} +downloaded again  \\S`, 'm'),
  );
  assert.match(repaired.stderr, /all repaired$/m);
  await cache.ok(['fsck']);
});

test('push and copy: where it went on standard output, what became of the blobs beside it', async () => {
  const target = `${registry.host}/new/name:3`;
  const pushed = await cache.ok(['push', `${name}:1`, target]);
  assert.match(pushed.stdout.toString(), new RegExp(`^${registry.host}/new/name@sha256:[0-9a-f]{64}\n$`));
  assert.match(pushed.stderr, /^blob [0-9a-f]{12} (pushed|mounted), /m);
  const copied = await cache.ok(['copy', `docker://${target}`, `oci:${cache.file('layout')}:x`]);
  assert.match(copied.stdout.toString(), /^sha256:[0-9a-f]{64}\n$/);
  assert.match(copied.stderr, /^oci:.*: 3 blobs copied, .*; in .*B\/s$/m);
});

test('what is not there, and what the policy forbids, is said', async () => {
  const missing = await cache.fails(4, ['pull', `${registry.host}/none:1`]);
  assert.match(missing, /404|not/);
  const never = await cache.fails(4, ['render', `${name}:9`, cache.file('x.tar'), '--policy', 'never']);
  assert.match(never, /not in the cache/);
  await cache.fails(3, ['pull', 'oci:/x']);
});

test('on a terminal: a bar a layer while it is downloaded and rendered, and all of them gone at the end', {
  skip: requires({ tools: ['script', 'stty'] }),
}, async () => {
  using fresh = new Cache();
  const words = [process.execPath, bin, 'pull', `${name}:1`, '--root', fresh.root].map(word => `'${word}'`);
  const { status, stdout } = await run(
    'script',
    ['-qec', `stty cols 100 rows 30; ${words.join(' ')}`, '/dev/null'],
    { env: cleanEnvironment({ TERM: 'xterm', LANG: 'C.UTF-8' }) },
  );
  const text = stdout.toString();
  assert.equal(status, 0, text);
  assert.match(text, /0 [0-9a-f]{12} .*waiting/);
  assert.match(text, /2 of 2 layers/);
  assert.match(text.slice(text.lastIndexOf('\x1b[J')), /downloaded .*squashfs/s);
});

test('Ctrl-C in the middle of a pull says that the download is kept, and the next pull goes on with it', async () => {
  await using slow = await startFakeRegistry();
  using fresh = new Cache();
  const image = slow.put('app:1', noisyImage([1], { size: 6_000_000 }));
  const [blob] = image.layers;
  const gate = new Gate();
  slow.on({ method: 'GET', path: blob!.digest }, { gate, gateAfter: 4_000_000 });
  const child = fresh.start(['pull', `${slow.host}/app:1`]);
  await gate.arrived();
  // What is on its way arrives.
  await sleep(300);
  child.kill('SIGINT');
  const { status, stderr } = await child.ended;
  assert.equal(status, 130, stderr);
  assert.match(stderr, /^shale: interrupted; what was downloaded is kept for the next time$/m);

  slow.heal();
  gate.open();
  slow.forget();
  await fresh.ok(['pull', `${slow.host}/app:1`]);
  assert.ok(slow.sentOf(blob!.digest) < blob!.size);
});
