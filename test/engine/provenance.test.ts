import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Provenance, provenance, type ResourceDescriptor } from '../../src/engine/provenance/index.ts';
import { pull } from '../../src/engine/pull.ts';
import { renderStack } from '../../src/engine/stack/index.ts';
import { openStore, type StoredArtifact } from '../../src/store/index.ts';
import { sample, shale, writeImage } from '../cli/fixture.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { noisyImage } from '../registry/image.ts';
import { requires } from '../requirement.ts';
import { makeOld } from '../store/old-database.ts';
import { dockerArchiveOf, writeArchive } from './image.ts';
import { Scratch } from './scratch.ts';

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const text = (document: Provenance) => JSON.stringify(document, undefined, 2);

/** All artifacts of a cache, by the digests that a statement gives them. */
async function artifactsOf(root: string): Promise<ReadonlyMap<string, StoredArtifact>> {
  using store = await openStore({ root });
  return new Map(store.artifacts().map(artifact => [artifact.digest.slice(7), artifact]));
}

const byName = (descriptors: readonly ResourceDescriptor[]) =>
  new Map(descriptors.map(descriptor => [descriptor.name, descriptor]));

/** What in-toto and SLSA ask of the shape (spec/v1 of in-toto/attestation; SLSA provenance v1). */
function checkShape(document: Provenance): void {
  assert.deepEqual(Object.keys(document), ['_type', 'predicate', 'predicateType', 'subject']);
  assert.equal(document._type, 'https://in-toto.io/Statement/v1');
  assert.equal(document.predicateType, 'https://slsa.dev/provenance/v1');
  const { buildDefinition, runDetails } = document.predicate;
  for (const uri of [buildDefinition.buildType, runDetails.builder.id]) assert.ok(URL.canParse(uri), uri);
  for (const version of Object.values(runDetails.builder.version)) assert.equal(typeof version, 'string');
  const { subject } = document;
  assert.ok(subject.length > 0);
  assert.equal(new Set(subject.map(({ name }) => name)).size, subject.length, 'names are unique');
  for (const list of [subject, buildDefinition.resolvedDependencies, runDetails.byproducts]) {
    for (const { name, digest } of list) {
      assert.equal(typeof name, 'string');
      assert.ok(Object.keys(digest).length > 0, name);
      for (const [algorithm, value] of Object.entries(digest)) {
        assert.match(algorithm, /^[a-z0-9_]+$/);
        assert.match(value, /^[0-9a-f]{64}$/);
      }
    }
  }
}

test('two caches that were filled in another order, at another width, give the same bytes', async () => {
  using scratch = new Scratch();
  await using registry = await startFakeRegistry();
  registry.put('app:1', noisyImage([1, 2, 3]));
  registry.put('other:1', noisyImage([1, 4]));
  const source = `${registry.host}/app:1`;
  const [one, two] = [scratch.file('one'), scratch.file('two')];
  const stack = (root: string, name: string, request: object, jobs: number) =>
    renderStack(source, scratch.file(name), request, { root, jobs });
  await pull(source, { root: one, jobs: 1 });
  await stack(one, 's1', { overlay: true, merged: true }, 1);
  await stack(one, 's2', { tarIndex: true }, 1);
  await pull(`${registry.host}/other:1`, { root: two, jobs: 2 });
  await stack(two, 's3', { tarIndex: true }, 4);
  await stack(two, 's4', { merged: true }, 4);
  await stack(two, 's5', { overlay: true }, 3);
  await pull(source, { root: two, jobs: 4 });
  const documents = [await provenance(source, { root: one }), await provenance(source, { root: two })];
  assert.equal(text(documents[0]!), text(documents[1]!));
  checkShape(documents[0]!);
  const [document] = documents as [Provenance];
  const told = text(document);
  for (const stray of [one, two, scratch.path, registry.host, 'created', 'used']) {
    assert.ok(!told.includes(stray), stray);
  }
  const formats = document.predicate.buildDefinition.externalParameters.artifacts.map(({ format }) => format);
  const layer = ['erofs-layer', 'layer-tar', 'layer-tar-index'].flatMap(format => [format, format, format]);
  const expected = [...layer, 'squashfs', 'stack-head', 'stack-head', 'stack-merged'];
  assert.deepEqual([...formats].sort(), expected.sort(), 'nothing of the other image');
});

test('from the manifest to the root hash', async () => {
  using scratch = new Scratch();
  await using registry = await startFakeRegistry();
  registry.put('app:1', noisyImage([1, 2]));
  const source = `${registry.host}/app:1`;
  const root = scratch.file('root');
  const { manifestDigest, layers } = await pull(source, { root });
  await renderStack(source, scratch.file('stack'), { merged: true, overlay: true }, { root });
  const document = await provenance(source, { root });
  const { externalParameters, resolvedDependencies } = document.predicate.buildDefinition;
  const [manifest, config, ...rest] = resolvedDependencies;
  const blob = (digest: string) => JSON.parse(readFileSync(`${root}/blobs/sha256/${digest}`, 'utf8'));
  assert.equal(`sha256:${manifest!.digest.sha256}`, manifestDigest);
  assert.equal(`sha256:${config!.digest.sha256}`, blob(manifest!.digest.sha256!).config.digest);
  assert.deepEqual(
    rest.map(({ digest }) => `sha256:${digest.sha256}`),
    layers.map(({ digest }) => digest),
  );
  const diffIds = blob(config!.digest.sha256!).rootfs.diff_ids;
  assert.deepEqual(
    rest.map(({ annotations }) => annotations!.diffId),
    diffIds,
  );
  const stored = await artifactsOf(root);
  const hashes = byName(document.predicate.runDetails.byproducts);
  const parameters = new Map(externalParameters.artifacts.map(each => [each.name, each]));
  assert.deepEqual(
    [...parameters.keys()],
    document.subject.map(({ name }) => name),
  );
  for (const { name, digest } of document.subject) {
    const { path, rootHash } = stored.get(digest.sha256!)!;
    assert.equal(sha256(path), digest.sha256, name);
    assert.equal(hashes.get(name)!.annotations!.artifact, `sha256:${digest.sha256}`);
    assert.equal(hashes.get(name)!.digest.fsverity_sha256, digest.fsverity_sha256);
    assert.equal(hashes.get(name)!.digest.dmverity_sha256, rootHash);
    const { format, diffId } = parameters.get(name)!;
    if (format === 'erofs-layer') assert.ok(diffIds.includes(diffId), name);
    else assert.equal(diffId, undefined, name);
  }
  assert.equal(parameters.get(document.subject.at(-1)!.name)!.options!.layers, 'erofs');
});

test('other programs compute the same hashes', {
  skip: requires({ tools: ['veritysetup', 'fsverity'] }),
}, async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  const root = scratch.file('root');
  await renderStack(source, scratch.file('stack'), { merged: true, overlay: true }, { root });
  const { subject, predicate } = await provenance(source, { root });
  const stored = await artifactsOf(root);
  const hashes = byName(predicate.runDetails.byproducts);
  assert.equal(subject.length, 5);
  for (const { name, digest } of subject) {
    const { path } = stored.get(digest.sha256!)!;
    const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' });
    assert.match(run('sha256sum', path), new RegExp(`^${digest.sha256} `));
    assert.match(run('fsverity', 'digest', path), new RegExp(`^sha256:${digest.fsverity_sha256} `));
    const { dmverity } = hashes.get(name)!.annotations as { dmverity: Record<string, number | string> };
    const blocks = `--data-blocks=${dmverity.dataBlocks}`;
    const salt = `--salt=${dmverity.salt === '' ? '-' : dmverity.salt}`;
    const formatted = run('veritysetup', 'format', path, scratch.file('tree'), salt, blocks);
    assert.match(formatted, new RegExp(`Root hash: +\t?${hashes.get(name)!.digest.dmverity_sha256}$`, 'm'));
  }
});

test('what an earlier version stored is measured first', async () => {
  using scratch = new Scratch();
  await using registry = await startFakeRegistry();
  registry.put('app:1', noisyImage([1]));
  const source = `${registry.host}/app:1`;
  const root = scratch.file('root');
  await pull(source, { root });
  const before = await provenance(source, { root });
  makeOld(root, 2);
  const after = await provenance(source, { root });
  checkShape(after);
  assert.deepEqual(after.subject[0]!.digest, before.subject[0]!.digest);
  const [hashes, same] = [before, after].map(({ predicate }) => predicate.runDetails.byproducts[0]!);
  assert.deepEqual([same!.digest, same!.annotations], [hashes!.digest, hashes!.annotations]);
  const [artifact] = after.predicate.buildDefinition.externalParameters.artifacts;
  assert.deepEqual([artifact!.format, artifact!.options], ['squashfs', undefined]);
});

test('an image without a manifest', async () => {
  using scratch = new Scratch();
  const source = writeArchive('docker-archive', scratch.file('saved.tar'), dockerArchiveOf(sample()));
  const root = scratch.file('root');
  await renderStack(source, scratch.file('stack'), { merged: true }, { root });
  const document = await provenance(source, { root });
  checkShape(document);
  const [config, ...layers] = document.predicate.buildDefinition.resolvedDependencies;
  assert.equal(config!.name, 'config');
  for (const { digest, annotations } of layers) assert.equal(`sha256:${digest.sha256}`, annotations!.diffId);
  assert.equal(document.subject.length, 4);
});

test('an image of which there is nothing, and no cache', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  const root = scratch.file('root');
  await assert.rejects(provenance(source, { root }), (error: { code: string; hint: string }) => {
    assert.equal(error.code, 'not-found');
    assert.match(error.hint, /shale pull .* shale render/);
    return true;
  });
  await assert.rejects(provenance(source, { root, cache: false }), { code: 'invalid' });
});

test('the command prints the document alone', async () => {
  using scratch = new Scratch();
  const source = await writeImage(scratch.file('layout'), sample());
  const root = scratch.file('root');
  const missing = await shale(['inspect', source, '--provenance', '--root', root]);
  assert.equal(missing.status, 4, missing.stderr);
  await renderStack(source, scratch.file('stack'), { merged: true }, { root });
  const { stdout, stderr, status } = await shale(['inspect', source, '--provenance', '--root', root]);
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(stdout.toString(), `${text(await provenance(source, { root }))}\n`);
  const both = await shale(['inspect', source, '--provenance', '--layers', '--root', root]);
  assert.equal(both.status, 2);
});
