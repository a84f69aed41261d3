/** Stacks as their users have them: shared, replaced, interrupted, the same everywhere. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderStack, type StackManifest, type StackRequest } from '../../src/engine/stack/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import { openStore, Store } from '../../src/store/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { mountErofs, mountOverlay } from '../kernel-mount.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { requires } from '../requirement.ts';
import { dockerArchiveOf, layoutOf, writeLayout } from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, writeRecord } from './tar.ts';

const platform = 'linux/amd64';
const forms: readonly StackRequest[] = [
  {},
  { merged: true },
  { overlay: true, merged: true },
  { tarIndex: true },
  { tarIndex: true, merged: true },
];

const file = (path: string, content: string): readonly [LayerRecord, Buffer] => [
  createRecord({
    type: 'file',
    path,
    size: content.length,
    mode: 0o644,
    mtime: { seconds: 9, nanoseconds: 1 },
  }),
  Buffer.from(content),
];
const tarOf = (...files: (readonly [LayerRecord, Buffer])[]) =>
  Buffer.concat([...files.map(([record, bytes]) => writeRecord(record, bytes)), endBlocks]);

const base = tarOf(file('etc/os', 'base'), file('usr/bin/tool', 'x'.repeat(10_000)));
const app = (version: number) => tarOf(file('app/version', `${version}\n`));

const layout = (scratch: Scratch, name: string, tars: readonly Buffer[]) =>
  writeLayout(scratch.directory(name), layoutOf(tars));

/** Every file below a directory with what is in it. */
function contentsOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true }) as string[];
  const files = names.sort().filter(name => statSync(join(directory, name)).isFile());
  return Object.fromEntries(files.map(name => [name, sha256(readFileSync(join(directory, name)))]));
}

for (const form of forms) {
  test(`the same bytes from any source, at any width: ${JSON.stringify(form)}`, async () => {
    using scratch = new Scratch();
    const tars = [base, app(1), tarOf(file('.wh.etc', ''), file('usr/new', 'new'))];
    const one = await layout(scratch, 'layout', tars);
    const options = { platform, jobs: 1, root: scratch.file('one') };
    const { manifest } = await renderStack(one, scratch.file('a'), form, options);
    await renderStack(one, scratch.file('b'), form, { platform, jobs: 7, cache: false });
    assert.deepEqual(contentsOf(scratch.file('b')), contentsOf(scratch.file('a')));
    const files = contentsOf(scratch.file('a'));
    const named = [
      ...manifest.layers.flatMap(({ image, tar }) => [image, tar]),
      ...[manifest.overlay?.head, manifest.merged?.image],
    ].filter(found => found !== undefined);
    for (const { file, digest, size } of named) {
      assert.equal(`sha256:${files[file]}`, digest);
      assert.equal(statSync(scratch.file('a', file)).size, size);
    }
    assert.deepEqual(Object.keys(files), [...new Set(named.map(({ file }) => file)), 'stack.json'].sort());
    // An archive has no manifest, and other blobs: the layers are the same.
    writeFileSync(scratch.file('saved.tar'), dockerArchiveOf(tars));
    const saved = await renderStack(`docker-archive:${scratch.file('saved.tar')}`, scratch.file('c'), form, {
      ...{ platform, cache: false },
    });
    assert.deepEqual(saved.manifest.layers, manifest.layers);
    assert.equal(readdirSync(scratch.path).filter(name => name.includes('.shale-')).length, 0);
  });
}

test('images that share layers share files, and a new one costs its own layers', async () => {
  using scratch = new Scratch();
  const options = { platform, root: scratch.file('cache') };
  const first = await renderStack(
    await layout(scratch, '1', [base, app(1)]),
    scratch.file('a'),
    { merged: true },
    options,
  );
  assert.equal(first.made, 3);
  const second = await renderStack(
    await layout(scratch, '2', [base, app(2)]),
    scratch.file('b'),
    { merged: true },
    options,
  );
  assert.equal(second.made, 2);
  const shared = first.manifest.layers[0]!.image!.file;
  assert.equal(second.manifest.layers[0]!.image!.file, shared);
  assert.equal(statSync(scratch.file('a', shared)).ino, statSync(scratch.file('b', shared)).ino);
  const again = await renderStack(
    await layout(scratch, '3', [base, app(2)]),
    scratch.file('c'),
    { merged: true },
    options,
  );
  assert.equal(again.made, 0);
});

test('a stack replaces a stack, and nothing else', async () => {
  using scratch = new Scratch();
  const options = { platform, root: scratch.file('cache') };
  const [one, two] = [await layout(scratch, '1', [base]), await layout(scratch, '2', [app(3)])];
  const place = scratch.file('stack');
  await renderStack(one, place, {}, options);
  await renderStack(two, place, { merged: true }, options);
  const { layers } = JSON.parse(readFileSync(join(place, 'stack.json'), 'utf8')) as StackManifest;
  assert.equal(layers.length, 1);
  assert.deepEqual(readdirSync(place).sort(), ['layers', 'merged.erofs', 'stack.json']);
  assert.equal(readdirSync(join(place, 'layers')).length, 1);
  for (const occupied of ['directory', 'file']) {
    const path = scratch.file(occupied);
    if (occupied === 'file') writeFileSync(path, 'mine');
    else mkdirSync(path);
    await assert.rejects(renderStack(one, path, {}, options), { code: 'exists' });
  }
  for (const cache of [true, false]) {
    const nowhere = renderStack(one, scratch.file('no', 'where'), {}, { ...options, cache });
    await assert.rejects(nowhere, { name: 'ShaleError', code: 'not-found' });
  }
  writeFileSync(scratch.file('directory', 'stack.json'), 'null');
  await assert.rejects(renderStack(one, scratch.file('directory'), {}, options), { code: 'exists' });
  assert.equal(readFileSync(scratch.file('file'), 'utf8'), 'mine');
});

test('what a user put into a stack is not lost with it', async () => {
  using scratch = new Scratch();
  const options = { platform, root: scratch.file('cache') };
  const one = await layout(scratch, '1', [base]);
  const place = scratch.file('stack');
  await renderStack(one, place, { merged: true }, { ...options, hashTree: 'beside' });
  for (const name of ['notes', 'layers/notes']) {
    writeFileSync(join(place, name), 'mine');
    await assert.rejects(renderStack(one, place, {}, options), { code: 'exists', message: /holds notes/ });
    assert.equal(readFileSync(join(place, name), 'utf8'), 'mine');
    unlinkSync(join(place, name));
  }
  await renderStack(one, place, {}, options);
  assert.deepEqual(readdirSync(place).sort(), ['head.erofs', 'layers', 'stack.json']);
  const none = await layout(scratch, '0', []);
  for (let times = 0; times < 2; times += 1) await renderStack(none, place, {}, options);
  assert.deepEqual(readdirSync(place).sort(), ['head.erofs', 'stack.json']);
});

test('a place that cannot be looked at', async () => {
  using scratch = new Scratch();
  const one = await layout(scratch, '1', [base]);
  symlinkSync('loop', scratch.file('loop'));
  for (const place of [scratch.file('loop', 'stack'), scratch.file('n'.repeat(300))]) {
    const rendered = renderStack(one, place, {}, { platform, root: scratch.file('cache') });
    await assert.rejects(rendered, { name: 'ShaleError', message: /^cannot see what is at / });
  }
});

test('a damaged file of the cache does not become part of a head that vouches for it', async () => {
  using scratch = new Scratch();
  const options = { platform, root: scratch.file('cache') };
  const [older, newer] = [
    tarOf(file('a', 'precious')),
    // One inode in two layers: OverlayFS sees that in the head only, so this has the content.
    Buffer.concat([
      writeRecord(createRecord({ type: 'hardlink', path: 'b', linkpath: 'a' }), Buffer.alloc(0)),
      endBlocks,
    ]),
  ];
  for (const form of [{}, { tarIndex: true }]) {
    const name = form.tarIndex ? 'tar' : 'erofs';
    await renderStack(
      await layout(scratch, `${name}-1`, [older]),
      scratch.file(`${name}-older`),
      form,
      options,
    );
    const layers = scratch.file(`${name}-older`, 'layers');
    const path = join(layers, readdirSync(layers).find(entry => entry.endsWith(name))!);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('precious')]! += 1;
    chmodSync(path, 0o600);
    writeFileSync(path, bytes); // A link: it is the cache's file as well.
    const both = await layout(scratch, `${name}-2`, [older, newer]);
    await assert.rejects(renderStack(both, scratch.file(`${name}-both`), form, options), {
      ...{ name: 'ShaleError', code: 'corrupt', message: /is damaged/ },
    });
    assert.equal(existsSync(scratch.file(`${name}-both`)), false);
  }
});

test('gc, whenever it comes, leaves what is about to be put in its place', async context => {
  using scratch = new Scratch();
  const root = scratch.file('cache');
  const link = Store.prototype.linkArtifact;
  let linked = 0;
  context.mock.method(
    Store.prototype,
    'linkArtifact',
    async function (this: Store, ...given: Parameters<typeof link>) {
      assert.deepEqual(this.collectGarbage().removed, []);
      linked += 1;
      return await link.apply(this, given);
    },
  );
  const source = await layout(scratch, 'layout', [base, app(1)]);
  await renderStack(source, scratch.file('stack'), { overlay: true, merged: true }, { platform, root });
  assert.equal(linked, 4);
  // No image of the cache has these layers: nothing keeps them now.
  await using store = await openStore({ root });
  assert.equal(store.collectGarbage().removed.filter(({ kind }) => kind === 'artifact').length, 4);
});

test('what EROFS leaves out is told once for the image, and again where its files are in the cache', async () => {
  using scratch = new Scratch();
  const [record, bytes] = file('odd', 'x');
  const odd = { ...record, xattrs: new Map([['other.name', Buffer.from('v')]]) };
  const source = await layout(scratch, 'layout', [tarOf([odd, bytes]), app(1)]);
  const options = { platform, root: scratch.file('cache') };
  const form = { overlay: true, merged: true };
  for (const [name, made] of [
    ['first', 4],
    ['again', 0],
  ] as const) {
    const result = await renderStack(source, scratch.file(name), form, options);
    assert.equal(result.made, made);
    assert.deepEqual(result.warnings.counts, { 'xattr-dropped': 1 });
  }
  const strict = renderStack(source, scratch.file('strict'), form, { ...options, strict: true });
  await assert.rejects(strict, { code: 'invalid', message: /other\.name/ });
  assert.ok(!existsSync(scratch.file('strict')));
});

test('a damaged layer, or an abort, leaves nothing', async () => {
  using scratch = new Scratch();
  const root = scratch.file('cache');
  const files = layoutOf([base, app(1)], undefined, {
    blob: (bytes, layer) => (layer === 1 ? Buffer.concat([bytes.subarray(0, -9), Buffer.alloc(9)]) : bytes),
  });
  const source = await writeLayout(scratch.directory('bent'), files);
  await assert.rejects(renderStack(source, scratch.file('a'), {}, { platform, root }), ShaleError);
  const good = await layout(scratch, 'good', [base, app(1)]);
  const aborted = renderStack(good, scratch.file('a'), {}, { platform, root, signal: AbortSignal.abort() });
  await assert.rejects(aborted, { code: 'cancelled' });
  assert.ok(!existsSync(scratch.file('a')));
  // Nor where nothing would have to be read.
  const full = scratch.file('full');
  await renderStack(good, scratch.file('b'), {}, { platform, root: full });
  const late = renderStack(
    good,
    scratch.file('a'),
    {},
    {
      ...{ platform, root: full, signal: AbortSignal.abort() },
    },
  );
  await assert.rejects(late, { code: 'cancelled' });
  assert.ok(!existsSync(scratch.file('a')));
  assert.deepEqual(readdirSync(scratch.path).sort(), ['b', 'bent', 'cache', 'full', 'good']);
  assert.deepEqual(
    readdirSync(join(root, 'artifacts')).filter(name => name.includes('draft')),
    [],
  );
});

test('an image without layers, and one that has a layer twice', {
  skip: requires({ mounts: ['erofs', 'overlay'] }),
}, async () => {
  using scratch = new Scratch();
  const options = { platform, root: scratch.file('cache') };
  const empty = await renderStack(
    await layout(scratch, '0', []),
    scratch.file('empty'),
    { overlay: true, merged: true },
    options,
  );
  assert.deepEqual(empty.manifest.overlay!.lowers, [{ file: 'head.erofs' }]);
  assert.deepEqual(empty.manifest.merged!.devices, []);
  using nothing = mountErofs(scratch.file('empty', 'merged.erofs'));
  assert.deepEqual(readdirSync(nothing.path), []);

  const tars = [base, app(1), base];
  const twice = await renderStack(
    await layout(scratch, '2', tars),
    scratch.file('twice'),
    { overlay: true, merged: true },
    options,
  );
  const { overlay, merged } = twice.manifest;
  using stack = new DisposableStack();
  const lowers = overlay!.lowers.map(({ file }) => stack.use(mountErofs(scratch.file('twice', file))).path);
  using shown = mountOverlay(lowers);
  using flat = mountErofs(scratch.file('twice', 'merged.erofs'), {
    devices: merged!.devices.map(file => scratch.file('twice', file)),
  });
  for (const { path } of [shown, flat]) {
    assert.equal(readFileSync(join(path, 'etc/os'), 'utf8'), 'base');
    assert.equal(readFileSync(join(path, 'app/version'), 'utf8'), '1\n');
    assert.equal(lstatSync(join(path, 'etc/os')).mtimeMs, 9000 + 1e-6);
  }
});

test('five hundred layers and more, stacked and merged', {
  skip: requires({ mounts: ['erofs', 'overlay'] }),
}, async () => {
  using scratch = new Scratch();
  const count = 520;
  const tars = Array.from({ length: count }, (_, layer) =>
    tarOf(file(`f${layer}`, `${layer}`), file('last', `${layer}`)),
  );
  const options = { platform, root: scratch.file('cache') };
  const source = await layout(scratch, 'layout', tars);
  const { manifest } = await renderStack(
    source,
    scratch.file('stack'),
    { overlay: true, merged: true },
    options,
  );
  const place = (file: string) => scratch.file('stack', file);
  assert.equal(manifest.overlay!.lowers.length, 500);
  assert.equal(manifest.merged!.devices.length, count);
  using stack = new DisposableStack();
  const lowers = manifest.overlay!.lowers.map(({ file }) => stack.use(mountErofs(place(file))).path);
  using shown = mountOverlay(lowers);
  using merged = mountErofs(place('merged.erofs'), { devices: manifest.merged!.devices.map(place) });
  for (const { path } of [shown, merged]) {
    assert.equal(readdirSync(path).length, count + 1);
    assert.equal(readFileSync(join(path, 'last'), 'utf8'), `${count - 1}`);
    for (let layer = 0; layer < count; layer++)
      assert.equal(readFileSync(join(path, `f${layer}`), 'utf8'), `${layer}`);
  }
});

test('fsck.erofs accepts every file of a stack', { skip: requiresNewErofs() }, async () => {
  using scratch = new Scratch();
  const source = await layout(scratch, 'layout', [
    base,
    app(1),
    tarOf(file('.wh.etc', ''), file('usr/new', 'new')),
  ]);
  await renderStack(source, scratch.file('a'), { overlay: true }, { platform, cache: false });
  for (const name of Object.keys(contentsOf(scratch.file('a'))).filter(name => name.endsWith('.erofs'))) {
    execFileSync(newErofsTool('fsck.erofs')!, [scratch.file('a', name)], { stdio: 'pipe' });
  }
});
