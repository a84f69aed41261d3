/** What `verify` must see: every way in which an artifact can differ, and nothing where it does not. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Difference, render, verify } from '../../src/engine/index.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { shaleError } from '../oci/throws.ts';
import { requires } from '../requirement.ts';
import { layoutOf, writeLayout } from './image.ts';
import { Scratch } from './scratch.ts';
import { endBlocks, writeRecord } from './tar.ts';

/** One thread: what takes time here is starting them. */
const options = { platform: 'linux/amd64', jobs: 1 } as const;
const mtime = { seconds: 1_000_000, nanoseconds: 0 };
const content = Buffer.alloc(10_000, 'content ');

const records: LayerRecord[] = [
  createRecord({ type: 'directory', path: './', mtime }),
  createRecord({ type: 'directory', path: 'd', mtime }),
  createRecord({ type: 'file', path: 'd/below', mtime }),
  createRecord({ type: 'file', path: 'f', size: content.length, mtime }),
  createRecord({ type: 'file', path: 'g', size: 5, mtime, xattrs: new Map([['user.a', Buffer.from('1')]]) }),
  createRecord({ type: 'hardlink', path: 'h', linkpath: 'f' }),
  createRecord({ type: 'symlink', path: 's', linkpath: 'f', mode: 0o777, mtime }),
  createRecord({ type: 'file', path: 'z', mtime }),
];
type Change = (given: readonly LayerRecord[]) => readonly LayerRecord[];
const contentOf = (record: LayerRecord, bytes: Buffer = content): Buffer => bytes.subarray(0, record.size);

const tarOf = (given: readonly LayerRecord[], bytes?: Buffer): Buffer =>
  Buffer.concat([...given.map(record => writeRecord(record, contentOf(record, bytes))), endBlocks]);

const sourceOf = (scratch: Scratch, given: readonly LayerRecord[], name: string, bytes?: Buffer) =>
  writeLayout(scratch.directory(name), layoutOf([tarOf(given, bytes)]));

const edit =
  (path: string, fields: Partial<LayerRecord>): Change =>
  given =>
    given.map(record => (record.path === path ? { ...record, ...fields } : record));
const drop =
  (path: string): Change =>
  given =>
    given.filter(record => record.path !== path);
const add =
  (record: LayerRecord): Change =>
  given => [...given, record];

const other = Buffer.from(content);
other[9999] = 0;

/** Each makes another image; its artifact must differ from the first one in just this. */
const changes: [
  string,
  Change,
  Buffer | undefined,
  [string, Difference['what'], (string | undefined)?, (string | undefined)?][],
][] = [
  ['nothing', given => given, undefined, []],
  ['a file less', drop('z'), undefined, [['/z', 'missing', 'file']]],
  [
    'a directory less',
    given => drop('d/below')(drop('d')(given)),
    undefined,
    [
      ['/d', 'missing'],
      ['/d/below', 'missing'],
    ],
  ],
  [
    'a file more',
    add(createRecord({ type: 'fifo', path: 'new', mtime })),
    undefined,
    [['/new', 'extra', undefined, 'fifo']],
  ],
  [
    'another type',
    given => add(createRecord({ type: 'fifo', path: 'z', mtime }))(drop('z')(given)),
    undefined,
    [['/z', 'type', 'file', 'fifo']],
  ],
  ['another mode', edit('z', { mode: 0o4644 }), undefined, [['/z', 'mode', '0644', '4644']]],
  ['the mode of the root', edit('./', { mode: 0o700 }), undefined, [['/', 'mode', '0755', '0700']]],
  ['another owner', edit('d', { uid: 1 }), undefined, [['/d', 'owner', '0:0', '1:0']]],
  ['another group', edit('s', { gid: 70000 }), undefined, [['/s', 'owner', '0:0', '0:70000']]],
  [
    'another time',
    edit('z', { mtime: { seconds: 1_000_001, nanoseconds: 0 } }),
    undefined,
    [['/z', 'mtime', '1000000.000000000', '1000001.000000000']],
  ],
  [
    'another value of an xattr',
    edit('g', { xattrs: new Map([['user.a', Buffer.from('2')]]) }),
    undefined,
    [['/g', 'xattrs', 'user.a=0x31', 'user.a=0x32']],
  ],
  ['no xattr', edit('g', { xattrs: new Map() }), undefined, [['/g', 'xattrs', 'user.a=0x31', undefined]]],
  ['another target', edit('s', { linkpath: 'g' }), undefined, [['/s', 'target', 'f', 'g']]],
  ['another size', edit('g', { size: 6 }), undefined, [['/g', 'size', '5', '6']]],
  ['another last byte, in one inode of two names', given => given, other, [['/f', 'content']]],
  [
    'one link less',
    drop('h'),
    undefined,
    [
      ['/f', 'links', '/f /h', '/f'],
      ['/h', 'missing'],
    ],
  ],
  [
    'a copy for a link',
    given => add({ ...records[3]!, path: 'h' })(drop('h')(given)),
    undefined,
    [
      ['/f', 'links', '/f /h', '/f'],
      ['/h', 'links', '/f /h', '/h'],
    ],
  ],
  [
    'one link more',
    add(createRecord({ type: 'hardlink', path: 'zz', linkpath: 'z' })),
    undefined,
    [
      ['/z', 'links', '/z', '/z /zz'],
      ['/zz', 'extra'],
    ],
  ],
  [
    'a link to another',
    edit('h', { linkpath: 'd/below' }),
    undefined,
    [
      ['/d/below', 'links', '/d/below', '/d/below /h'],
      ['/f', 'links', '/f /h', '/f'],
      ['/h', 'size'],
      ['/h', 'links', '/f /h', '/d/below /h'],
    ],
  ],
];

const isRoot = process.geteuid?.() === 0;

for (const [title, change, bytes, expected] of changes) {
  test(`in every format: ${title}`, async () => {
    using scratch = new Scratch();
    const image = await sourceOf(scratch, records, 'image');
    const changed = await sourceOf(scratch, change(records), 'changed', bytes);
    const paths = ['a.sqfs', 'a.erofs', 'a.tar', ...(isRoot ? ['a/'] : [])].map(name => scratch.file(name));
    await render(
      changed,
      paths.map(path => ({ path })),
      options,
    );
    for (const path of paths) {
      const report = await verify(image, path, options);
      const key = ([path, what]: readonly unknown[]) => `${path} ${what}`;
      const found = report.differences.map(
        each => [each.path, each.what, each.expected, each.actual] as const,
      );
      assert.deepEqual(found.map(key).sort(), expected.map(key).sort(), path);
      assert.equal(report.differenceCount, expected.length);
      for (const wanted of expected) {
        if (wanted.length < 3) continue;
        const [, , image, artifact] = found.find(each => key(each) === key(wanted))!;
        assert.deepEqual([image, artifact], [wanted[2], wanted[3]], path);
      }
    }
  });
}

test('a directory that was touched after it was made, as root', {
  skip: requires({ root: true }),
}, async () => {
  const touches: [Difference['what'], string, (path: string) => void][] = [
    ['mode', '/z', path => chmodSync(`${path}/z`, 0o600)],
    ['owner', '/z', path => chownSync(`${path}/z`, 5, 5)],
    ['mtime', '/z', path => utimesSync(`${path}/z`, 1, 1)],
    ['size', '/g', path => appendFileSync(`${path}/g`, 'more')],
    ['content', '/f', path => writeFileSync(`${path}/f`, other)],
    ['missing', '/d/below', path => unlinkSync(`${path}/d/below`)],
    ['extra', '/d/dir', path => mkdirSync(`${path}/d/dir`)],
    [
      'type',
      '/s',
      path => {
        unlinkSync(`${path}/s`);
        mkdirSync(`${path}/s`);
      },
    ],
    [
      'target',
      '/s',
      path => {
        unlinkSync(`${path}/s`);
        symlinkSync('/etc', `${path}/s`);
      },
    ],
    ['links', '/z', path => linkSync(`${path}/z`, `${path}/d/zz`)],
  ];
  using scratch = new Scratch();
  const source = await sourceOf(scratch, records, 'image');
  await render(source, [{ path: scratch.file('a/') }], options);
  for (const [what, place, touch] of touches) {
    cpSync(scratch.file('a'), scratch.file('b'), { recursive: true, preserveTimestamps: true });
    rmSync(scratch.file('b'), { recursive: true });
    execFileSync('cp', ['-a', scratch.file('a'), scratch.file('b')]);
    assert.equal((await verify(source, scratch.file('b'), options)).differenceCount, 0);
    touch(scratch.file('b'));
    const { differences } = await verify(source, scratch.file('b'), options);
    assert.ok(
      differences.some(each => each.path === place && each.what === what),
      `${what}: ${JSON.stringify(differences)}`,
    );
    rmSync(scratch.file('b'), { recursive: true });
  }
});

test('a tar that deletes, or carries what an image never may, is not the image', async () => {
  using scratch = new Scratch();
  const source = await sourceOf(scratch, records, 'image');
  await render(source, [{ path: scratch.file('a.tar') }], options);
  const tar = readFileSync(scratch.file('a.tar')).subarray(0, -endBlocks.length);
  const overlay = new Map([['trusted.overlay.opaque', Buffer.from('y')]]);
  const cases: [LayerRecord, string, Difference['what']][] = [
    [createRecord({ type: 'file', path: 'd/.wh.below' }), '/d/.wh.below', 'extra'],
    [createRecord({ type: 'character', path: 'd/dev' }), '/d/dev', 'extra'],
    [createRecord({ type: 'directory', path: 'd', mtime, xattrs: overlay }), '/d', 'xattrs'],
  ];
  for (const [record, path, what] of cases) {
    writeFileSync(
      scratch.file('b.tar'),
      Buffer.concat([tar, writeRecord(record, Buffer.alloc(0)), endBlocks]),
    );
    const { differences } = await verify(source, scratch.file('b.tar'), options);
    assert.deepEqual(
      differences.map(each => [each.path, each.what]),
      [[path, what]],
    );
  }
  writeFileSync(scratch.file('b.tar.gz'), gzipSync(readFileSync(scratch.file('a.tar'))));
  assert.equal((await verify(source, scratch.file('b.tar.gz'), options)).differenceCount, 0);
});

test('only so many differences are kept, all are counted', async () => {
  using scratch = new Scratch();
  const many = Array.from({ length: 1500 }, (_, index) => createRecord({ type: 'file', path: `${index}` }));
  const source = await sourceOf(scratch, records, 'image');
  const larger = await sourceOf(scratch, [...records, ...many], 'larger');
  await render(larger, [{ path: scratch.file('a.sqfs') }], options);
  const report = await verify(source, scratch.file('a.sqfs'), options);
  assert.deepEqual([report.differences.length, report.differenceCount], [1000, 1500]);
});

test('what cannot be read at all is an error', async () => {
  using scratch = new Scratch();
  const source = await sourceOf(scratch, records, 'image');
  await render(source, [{ path: scratch.file('a.sqfs') }, { path: scratch.file('a.tar') }], options);
  const run = (name: string, format?: 'squashfs' | 'tar' | 'directory') =>
    verify(source, scratch.file(name), { ...options, format });
  await assert.rejects(run('nothing'), shaleError('not-found', /nothing/));
  await assert.rejects(run('a.tar', 'squashfs'), shaleError('invalid', /a\.tar/));
  await assert.rejects(run('a.tar', 'directory'), shaleError('invalid', /a\.tar/));
  await assert.rejects(run('a.sqfs', 'tar'), shaleError('corrupt', /a\.sqfs/));
  truncateSync(scratch.file('a.sqfs'), 300);
  await assert.rejects(run('a.sqfs'), shaleError('corrupt', /a\.sqfs/));
  await assert.rejects(verify(`${source}x`, scratch.file('a.tar')), shaleError('not-found'));
});
