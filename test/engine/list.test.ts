/** Looking into what was rendered, and into the image itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { cat, type ListEntry, list, render } from '../../src/engine/index.ts';
import { createRecord } from '../model/record.ts';
import { shaleError } from '../oci/throws.ts';
import { layoutOf, writeLayout } from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, writeRecord } from './tar.ts';

const options = { platform: 'linux/amd64', jobs: 1 } as const;
const large = Buffer.alloc(3_000_000, 'a large file, ');
const hole = { offset: 500_000, bytes: Buffer.from('behind a hole') };
const nothing = Buffer.alloc(0);
const symlink = (path: string, linkpath: string) =>
  writeRecord(createRecord({ type: 'symlink', path, linkpath, mode: 0o777 }), nothing);
const file = (path: string, bytes: Buffer) =>
  writeRecord(createRecord({ type: 'file', path, size: bytes.length }), bytes);
const directory = (path: string) => writeRecord(createRecord({ type: 'directory', path }), nothing);

const lower = Buffer.concat([
  directory('usr'),
  directory('usr/lib'),
  file('usr/lib/hidden', large),
  file('usr/lib/large', large),
  writeRecord(createRecord({ type: 'hardlink', path: 'again', linkpath: 'usr/lib/large' }), nothing),
  writeRecord(createRecord({ type: 'file', path: 'usr/sparse', size: 600_000 }), [hole]),
  writeRecord(createRecord({ type: 'character', path: 'null', major: 1, minor: 3 }), nothing),
  endBlocks,
]);
const upper = Buffer.concat([
  file('usr/lib/hidden', Buffer.from('shown')),
  symlink('lib', '/usr/lib'),
  symlink('usr/up', '../../../../lib/large'),
  symlink('loop', 'loop'),
  symlink('gone', 'nothing'),
  file('odd \xff name', Buffer.from('odd')),
  file('empty', nothing),
  endBlocks,
]);

const isRoot = process.geteuid?.() === 0;

/** The same image in every form that can be looked into. */
async function makePlaces(scratch: Scratch): Promise<string[]> {
  const source = await writeLayout(scratch.directory('layout'), layoutOf([lower, upper]));
  const paths = ['a.sqfs', 'a.erofs', 'a.tar', ...(isRoot ? ['a/'] : [])].map(name => scratch.file(name));
  await render(
    source,
    paths.map(path => ({ path })),
    options,
  );
  return [source, ...paths];
}

async function collect<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of from) all.push(each);
  return all;
}

const read = async (place: string, path: string) => Buffer.concat(await collect(cat(place, path, options)));

test('a listing is what stands there, in order, in every form', async () => {
  using scratch = new Scratch();
  for (const place of await makePlaces(scratch)) {
    const paths = async (path?: string, recursive = false) =>
      (await collect(list(place, { ...options, path, recursive }))).map(entry => entry.path);
    assert.deepEqual(
      await paths(),
      ['again', 'empty', 'gone', 'lib', 'loop', 'null', 'odd \xff name', 'usr'],
      place,
    );
    assert.deepEqual(await paths('/usr//lib/'), ['usr/lib/hidden', 'usr/lib/large']);
    assert.deepEqual(await paths('usr', true), [
      'usr/lib',
      'usr/lib/hidden',
      'usr/lib/large',
      'usr/sparse',
      'usr/up',
    ]);
    assert.deepEqual(await paths('lib'), ['lib']);
    assert.deepEqual(await paths('lib/'), ['usr/lib/hidden', 'usr/lib/large']);
    assert.deepEqual(await paths('lib/large'), ['usr/lib/large']);
    assert.deepEqual(await paths('../usr/../usr/./sparse'), ['usr/sparse']);
    await assert.rejects(paths('nothing'), shaleError('not-found', /nothing/));
    await assert.rejects(paths('again/x'), shaleError('invalid', /again is a file/));
  }
});

test('an entry tells what it is', async () => {
  using scratch = new Scratch();
  for (const place of await makePlaces(scratch)) {
    const all = new Map(
      (await collect(list(place, { ...options, recursive: true }))).map(each => [each.path, each]),
    );
    const tell = (path: string, ...keys: (keyof ListEntry)[]) => keys.map(key => all.get(path)![key]);
    assert.deepEqual(tell('again', 'type', 'size', 'links', 'mode'), ['file', large.length, 2, 0o644], place);
    assert.deepEqual(tell('null', 'type', 'major', 'minor'), ['character', 1, 3]);
    assert.deepEqual(tell('lib', 'type', 'target', 'links'), ['symlink', '/usr/lib', 1]);
    assert.deepEqual(tell('usr', 'type', 'links'), ['directory', 3]);
    assert.deepEqual(tell('empty', 'size', 'mtime'), [0, { seconds: 0, nanoseconds: 0 }]);
  }
});

test('the content of a file is found through symlinks that stay inside the root', async () => {
  using scratch = new Scratch();
  for (const place of await makePlaces(scratch)) {
    const sparse = Buffer.alloc(600_000);
    hole.bytes.copy(sparse, hole.offset);
    for (const [path, expected] of [
      ['usr/lib/hidden', Buffer.from('shown')],
      ['again', large],
      ['/lib/large', large],
      ['usr/up', large],
      ['usr/sparse', sparse],
      ['empty', nothing],
    ] as const) {
      assert.ok((await read(place, path)).equals(expected), `${place}: ${path}`);
    }
    await assert.rejects(read(place, 'usr'), shaleError('invalid', /usr is a directory/));
    await assert.rejects(read(place, 'null'), shaleError('invalid', /null is a character/));
    await assert.rejects(read(place, 'loop'), shaleError('invalid', /40 symlinks/));
    await assert.rejects(read(place, 'gone'), shaleError('not-found', /nothing/));
    await assert.rejects(read(place, 'empty/'), shaleError('invalid'));
  }
});

test('a reader may stop in the middle, and a place that is not there is said to be', async () => {
  using scratch = new Scratch();
  for (const place of await makePlaces(scratch)) {
    for await (const chunk of cat(place, 'again', options)) {
      assert.ok(large.subarray(0, chunk.length).equals(chunk));
      break;
    }
  }
  await assert.rejects(collect(list(scratch.file('none'))), shaleError('not-found', /none/));
  await assert.rejects(read(`oci:${scratch.file('none')}`, 'x'), shaleError('not-found', /none/));
});

for (const [kind, magic] of [
  ['squashfs', 'printf hsqs > "$0"'],
  ['erofs', 'truncate -s 1024 "$0" && printf "\\342\\341\\365\\340" >> "$0"'],
] as const) {
  test(`a ${kind} is listed without what makes one, or anything of images`, () => {
    using scratch = new Scratch();
    const script = `
    import { list } from ${JSON.stringify(new URL('../../src/engine/list.ts', import.meta.url).href)};
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    try { for await (const entry of list(process.argv[1])); } catch {}
    process.stdout.write(JSON.stringify(loaded));`;
    execFileSync('sh', ['-c', magic, scratch.file('a')]);
    const output = execFileSync(
      process.execPath,
      ['--input-type=module', '--eval', script, scratch.file('a')],
      { encoding: 'utf8' },
    );
    const loaded = JSON.parse(output) as string[];
    assert.ok(loaded.some(url => url.endsWith(`/src/${kind}/image.ts`)));
    // What opens the file is all that it takes of the host.
    const stray = loaded.filter(url =>
      /\/src\/(render|merge|layer|tar|oci|archive|host(?!\/image-file\.ts))\/|-writer\.ts|\/pool\//.test(url),
    );
    assert.deepEqual(stray, []);
  });
}
