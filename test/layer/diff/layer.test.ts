import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type ShaleError, Warnings } from '../../../src/error/index.ts';
import {
  type ChangeEntry,
  type ChangesLayerOptions,
  defaultChangeLimits,
  writeChangesLayer,
} from '../../../src/layer/index.ts';
import { type TarEntry, TarParser } from '../../../src/tar/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { requires } from '../../requirement.ts';
import { noise } from '../../store/sample.ts';
import { change, chunks, type Given, root, streamOf, types, whiteout } from './changes.ts';

async function write(entries: Iterable<ChangeEntry>, options: ChangesLayerOptions = {}) {
  using scratch = new Scratch();
  const out = scratch.file('layer');
  const layer = await writeChangesLayer(streamOf(entries), out, options);
  const blob = readFileSync(out);
  return { layer, blob, tar: layer.mediaType.endsWith('zstd') ? zstdDecompressSync(blob) : gunzipSync(blob) };
}

function readTar(tar: Buffer): readonly (TarEntry & { readonly content: Buffer })[] {
  const found: (TarEntry & { content: Buffer })[] = [];
  const parser = new TarParser({
    entry: entry => found.push({ ...entry, content: Buffer.alloc(0) }),
    data: chunk => {
      found.at(-1)!.content = Buffer.concat([found.at(-1)!.content, chunk]);
    },
    hole: () => assert.fail('a hole'),
    end: () => {},
  });
  parser.write(tar);
  assert.equal(parser.finish().terminated, true);
  return found;
}

const names = async (entries: Iterable<ChangeEntry>, options: ChangesLayerOptions = {}) =>
  readTar((await write(entries, options)).tar).map(({ path }) => path);
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const hex = (xattrs: ReadonlyMap<string, Uint8Array>) =>
  [...xattrs].map(([name, value]) => `${name} ${Buffer.from(value).toString('hex')}`).sort();
const text = (value: string) => Buffer.from(value);
const opaque = new Map([['trusted.overlay.opaque', text('y')]]);

describe('what a layer holds', () => {
  test('every type, with its metadata, content and xattrs', async () => {
    const noisy = noise(3, 300_001);
    const metadata = { uid: 70_000, gid: 0xfffffffe, mtime: { seconds: -5, nanoseconds: 999_999_999 } };
    const xattrs = new Map([
      ['security.capability', noise(1, 20)],
      ['user.empty', text('')],
    ]);
    const all = [
      root({ mode: types.directory + 0o1777 }),
      change('block', 'block', { device: { major: 0xfff, minor: 0xfffff } }),
      change('char', 'character', { device: { major: 0, minor: 1 } }),
      change('dir', 'directory', { ...metadata, xattrs }),
      change('dir/file', 'file', { content: noisy, ...metadata, xattrs, mode: types.file + 0o6755 }),
      change('dir/link', 'symlink', { target: '../\xff/nowhere', ...metadata }),
      change('fifo', 'fifo'),
    ];
    const { layer, blob, tar } = await write(all);
    const found = readTar(tar);
    assert.deepEqual(
      found.map(({ type, path }) => [type, path]),
      [
        ['directory', './'],
        ['block', 'block'],
        ['character', 'char'],
        ['directory', 'dir/'],
        ['file', 'dir/file'],
        ['symlink', 'dir/link'],
        ['fifo', 'fifo'],
      ],
    );
    const [top, block, , directory, file, link] = found;
    assert.equal(top!.mode, 0o1777);
    assert.deepEqual([block!.major, block!.minor], [0xfff, 0xfffff]);
    for (const { uid, gid, mtime } of [directory!, file!, link!])
      assert.deepEqual({ uid, gid, mtime }, metadata);
    for (const entry of [directory!, file!]) assert.deepEqual(hex(entry.xattrs), hex(xattrs));
    assert.equal(file!.mode, 0o6755);
    assert.ok(file!.content.equals(noisy));
    assert.equal(link!.linkpath, '../\xff/nowhere');
    assert.equal(layer.diffId, sha256(tar));
    assert.equal(layer.digest, sha256(blob));
    assert.deepEqual([layer.size, layer.tarSize], [blob.length, tar.length]);
    assert.deepEqual([layer.entries, layer.whiteouts, layer.opaque], [7, 0, 0]);
    assert.equal(layer.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
  });

  test('deletions and opaque directories, as OCI spells them; nothing else of OverlayFS', async () => {
    const state = ['opaque', 'origin', 'impure', 'nlink', 'upper'];
    const xattrs = new Map(
      state
        .flatMap(name => [`trusted.overlay.${name}`, `user.overlay.${name}`])
        .map(name => [name, text('y')]),
    );
    xattrs.set('trusted.overlay.opaque', text('y'));
    xattrs.set('trusted.other', text('kept'));
    const shared = { inode: 77n, links: 3 };
    const { layer, tar } = await write([
      root({ xattrs: new Map([['trusted.overlay.opaque', text('n')]]) }),
      change('a', 'directory', { xattrs }),
      whiteout('a/b', shared),
      change('a/c', 'file', { content: 'x' }),
      whiteout('gone', shared),
      change('not', 'directory', { xattrs: new Map([['trusted.overlay.opaque', text('x')]]) }),
      // Anybody in the zone may set these: they mean nothing to its overlay.
      change('nothing', 'directory', {
        xattrs: new Map([
          ['user.overlay.opaque', text('y')],
          ['user.overlay.redirect', text('/etc')],
        ]),
      }),
    ]);
    const found = readTar(tar);
    assert.deepEqual(
      found.map(({ path, type }) => `${type} ${path}`),
      [
        'directory ./',
        'directory a/',
        'file a/.wh..wh..opq',
        'file a/.wh.b',
        'file a/c',
        'file .wh.gone',
        'directory not/',
        'directory nothing/',
      ],
    );
    assert.deepEqual([...found[1]!.xattrs.keys()], ['trusted.other']);
    assert.equal(found.at(-1)!.xattrs.size, 0);
    assert.deepEqual([layer.entries, layer.whiteouts, layer.opaque], [5, 2, 1]);
  });

  test('links among what is there are kept; a link whose other names are elsewhere is a file', async () => {
    const file = { inode: 9n, links: 3, size: 5 };
    const { tar } = await write([
      root(),
      change('a', 'file', { ...file, content: 'hello' }),
      change('b', 'directory'),
      { ...change('b/c', 'file', file), content: undefined },
      change('d', 'symlink', { inode: 10n, links: 2 }),
      change('e', 'symlink', { inode: 10n, links: 2 }),
      change('f', 'file', { inode: 11n, links: 2, content: 'other' }),
    ]);
    assert.deepEqual(
      readTar(tar).map(({ type, path, linkpath, content }) => [type, path, linkpath, String(content)]),
      [
        ['directory', './', '', ''],
        ['file', 'a', '', 'hello'],
        ['directory', 'b/', '', ''],
        ['hardlink', 'b/c', 'a', ''],
        ['symlink', 'd', 'target', ''],
        ['hardlink', 'e', 'd', ''],
        ['file', 'f', '', 'other'],
      ],
    );
  });

  test('mount points that are empty are left out, and come back with what stands in them', async () => {
    const ignore = new Set(['dev', 'etc', 'etc/hosts', 'etc/hostname', 'proc', 'sys', 'sys/fs']);
    const entries = () => [
      root(),
      change('dev', 'directory', { xattrs: opaque }),
      change('etc', 'directory'),
      change('etc/hostname', 'file', { content: 'changed' }),
      change('etc/hosts', 'file'),
      change('proc', 'directory'),
      change('proc2', 'directory'),
      change('sys', 'directory', { xattrs: opaque }),
      change('sys/fs', 'directory'),
      change('sys/fs/mine', 'fifo'),
    ];
    assert.deepEqual(await names(entries(), { ignore }), [
      ...['./', 'etc/', 'etc/hostname', 'proc2/', 'sys/', 'sys/.wh..wh..opq', 'sys/fs/', 'sys/fs/mine'],
    ]);
    const emptied = entries().filter(({ path }) => !/hostname|mine|proc2/.test(path));
    assert.deepEqual(await names(emptied, { ignore }), ['./']);
    // A deletion below is something, too; and a file with another name is not the one that init made.
    assert.deepEqual(await names([root(), change('proc', 'directory'), whiteout('proc/x')], { ignore }), [
      './',
      'proc/',
      'proc/.wh.x',
    ]);
    const linked = { inode: 5n, links: 2 };
    const two = [
      root(),
      change('etc', 'directory'),
      change('etc/hosts', 'file', linked),
      change('x', 'file', linked),
    ];
    assert.deepEqual(await names(two, { ignore }), ['./', 'etc/', 'etc/hosts', 'x']);
  });

  test('a root that is as the image has it is no change; no change is an empty layer', async () => {
    const same = { root: { mode: 0o755, uid: 0, gid: 0 } };
    const state = new Map([['trusted.overlay.impure', text('y')]]);
    assert.deepEqual(await names([root({ xattrs: state })], same), []);
    assert.deepEqual(await names([root({ mode: types.directory + 0o700 })], same), ['./']);
    assert.deepEqual(await names([root({ gid: 1 })], same), ['./']);
    assert.deepEqual(await names([root({ xattrs: new Map([['user.a', text('b')]]) })], same), ['./']);
    const { layer, tar } = await write([root()], same);
    assert.equal(layer.entries, 0);
    assert.ok(tar.equals(Buffer.alloc(1024)));
  });

  test('sockets are left out with a warning', async () => {
    const warnings = new Warnings();
    assert.deepEqual(await names([root(), change('s', 'socket'), change('t', 'fifo')], { warnings }), [
      './',
      't',
    ]);
    assert.deepEqual([...warnings.counts], [['left-out', 1]]);
    assert.equal(warnings.examples[0]!.path, '/s');
  });

  test('other archivers agree on the archive', { skip: requires({ tools: ['tar', 'bsdtar'] }) }, async () => {
    using scratch = new Scratch();
    const long = 'd'.repeat(200);
    const { tar } = await write([
      root(),
      change(long, 'directory'),
      change(`${long}/${'f'.repeat(200)}`, 'file', { content: 'x'.repeat(1025) }),
      change('z', 'symlink', { target: 't'.repeat(300) }),
    ]);
    writeFileSync(scratch.file('tar'), tar);
    for (const program of ['tar', 'bsdtar']) {
      const list = execFileSync(program, ['-tf', scratch.file('tar')], { encoding: 'utf8' });
      assert.deepEqual(list.trim().split('\n'), ['./', `${long}/`, `${long}/${'f'.repeat(200)}`, 'z']);
    }
  });
});

describe('bytes', () => {
  const entries = () => [
    root(),
    ...Array.from({ length: 200 }, (_, index) =>
      change(`f${String(index).padStart(4, '0')}`, 'file', {
        inode: BigInt(index),
        content: noise(index, index * 100),
      }),
    ),
  ];

  for (const compression of ['gzip', 'zstd'] as const) {
    test(`the same changes give the same: ${compression}`, async () => {
      const one = await write(entries(), { compression });
      const slowly = async function* () {
        for (const entry of entries()) {
          await new Promise(resolve => setImmediate(resolve));
          yield entry;
        }
      };
      using scratch = new Scratch();
      await writeChangesLayer(slowly(), scratch.file('layer'), { compression });
      assert.ok(readFileSync(scratch.file('layer')).equals(one.blob));
      assert.equal(statSync(scratch.file('layer')).mode % 0o1000, 0o600);
      assert.equal(one.layer.mediaType, `application/vnd.oci.image.layer.v1.tar+${compression}`);
    });
  }

  test('a large file does not stay in memory', async () => {
    const size = 400 * 2 ** 20;
    const piece = Buffer.alloc(65_536);
    const content = async function* () {
      for (let at = 0; at < size; at += piece.length) yield piece;
    };
    const before = process.memoryUsage.rss();
    using scratch = new Scratch();
    const large = { ...change('large', 'file'), size, content: content() };
    const layer = await writeChangesLayer(streamOf([root(), large]), scratch.file('layer'), {
      compression: 'zstd',
    });
    // Two entries of three blocks each, for the nanoseconds, and the end.
    assert.equal(layer.tarSize, 2 * 3 * 512 + size + 1024);
    assert.ok(layer.size < 2 ** 20);
    assert.ok(process.memoryUsage.rss() - before < 120 * 2 ** 20, 'it grew with the content');
  });
});

describe('what no init of ours sends is refused, and leaves nothing', () => {
  const refused = async (entries: Iterable<ChangeEntry>, code: string, options: ChangesLayerOptions = {}) => {
    using scratch = new Scratch();
    const written = writeChangesLayer(streamOf(entries), scratch.file('layer'), options);
    await assert.rejects(written, (error: ShaleError) => {
      assert.equal(error.code, code, error.stack);
      assert.equal(error.name, 'DiffError');
      return true;
    });
    assert.deepEqual(readdirSync(scratch.path), []);
  };
  const directory = (path: string) => change(path, 'directory');
  const file = (path: string, given: Given = {}) => change(path, 'file', given);

  const cases: Readonly<Record<string, ChangeEntry[]>> = {
    'nothing at all': [],
    'no root': [file('a')],
    'a root that is a file': [file('')],
    'a root that is a whiteout': [whiteout('')],
    'two roots': [root(), root()],
    ...Object.fromEntries(
      [
        '/a',
        '..',
        '.',
        './a',
        'a/',
        'a//b',
        'd/..',
        'd/../a',
        '../a',
        'd/./a',
        'a\0',
        '//',
        'd/',
        'x'.repeat(256),
      ].map(path => [`the path ${JSON.stringify(path.slice(0, 20))}`, [root(), directory('d'), file(path)]]),
    ),
    'a child before its parent': [root(), file('a/b'), directory('a')],
    'a parent that never comes': [root(), file('a/b')],
    'a path twice': [root(), file('a'), file('a')],
    'a directory twice': [root(), directory('a'), file('a/b'), directory('a')],
    'a path twice, with others between': [root(), directory('a'), file('a/x'), directory('b'), file('a/x')],
    'a child of a directory that was left': [root(), directory('a'), directory('b'), file('a/x')],
    'names out of order': [root(), file('b'), file('a')],
    'a child of a file': [root(), file('a'), file('a/b')],
    'a child of a symlink': [root(), change('a', 'symlink', { target: '/etc' }), file('a/passwd')],
    'a child of a deletion': [root(), whiteout('a'), file('a/b')],
    'a symlink to nothing': [root(), change('a', 'symlink', { target: '' })],
    'a symlink without a target': [root(), change('a', 'symlink', { target: undefined })],
    'a symlink with a NUL': [root(), change('a', 'symlink', { target: 'a\0b' })],
    'too little content': [root(), file('a', { content: 'abc', size: 4 })],
    'no content': [root(), { ...file('a'), size: 4, content: undefined }],
    'too much content': [root(), file('a', { content: 'abc', size: 2 })],
    'content of a directory': [root(), { ...directory('a'), content: chunks(text('x')) }],
    'content of a deletion': [root(), { ...whiteout('a'), content: chunks(text('x')) }],
    'content of a symlink': [root(), { ...change('a', 'symlink'), content: chunks(text('x')) }],
    'content of an empty file': [root(), file('a', { content: 'x', size: 0 })],
    'content of a second link': [
      root(),
      file('a', { inode: 5n, links: 2, content: 'x' }),
      file('b', { inode: 5n, links: 2, content: 'x' }),
    ],
    'a link of another type': [
      root(),
      file('a', { inode: 5n, links: 2 }),
      change('b', 'fifo', { inode: 5n, links: 2 }),
    ],
    'a link of another size': [
      root(),
      file('a', { inode: 5n, links: 2 }),
      file('b', { inode: 5n, links: 2, size: 7 }),
    ],
    'no type': [root(), { ...file('a'), mode: 0o644 }],
    'an unknown type': [root(), { ...file('a'), mode: 0o030644 }],
    'a mode above all': [root(), { ...file('a'), mode: 0o1100644 }],
    'a mode that is none': [root(), { ...file('a'), mode: Number.NaN }],
    'an owner out of range': [root(), file('a', { uid: 2 ** 32 })],
    'a group below zero': [root(), file('a', { gid: -1 })],
    'a time that is none': [root(), file('a', { mtime: { seconds: Number.NaN, nanoseconds: 0 } })],
    'a second of more nanoseconds': [root(), file('a', { mtime: { seconds: 0, nanoseconds: 1e9 } })],
    'a size that is none': [root(), { ...file('a'), size: -1 }],
    'a size above all': [root(), { ...file('a'), size: 2 ** 60 }],
    'a device out of range': [root(), change('a', 'block', { device: { major: 5000, minor: 0 } })],
    'a device without a number': [root(), change('a', 'character', { device: undefined })],
    'an xattr without a name': [root(), file('a', { xattrs: new Map([['', text('')]]) })],
    'an xattr with a NUL': [root(), file('a', { xattrs: new Map([['user.\0', text('')]]) })],
  };
  for (const [name, entries] of Object.entries(cases)) test(name, () => refused(entries, 'corrupt'));

  const inexpressible: Readonly<Record<string, ChangeEntry[]>> = {
    'a file with a whiteout name': [root(), file('.wh.a')],
    'a directory with a whiteout name': [root(), directory('d'), directory('d/.wh.x')],
    'an opaque marker': [root(), file('.wh..wh..opq')],
    'a deletion of such a name': [root(), whiteout('.wh.a')],
    'a renamed directory': [
      root(),
      change('a', 'directory', { xattrs: new Map([['trusted.overlay.redirect', text('/b')]]) }),
    ],
    'a file without its data': [
      root(),
      change('a', 'file', { xattrs: new Map([['trusted.overlay.metacopy', text('')]]) }),
    ],
  };
  for (const [name, entries] of Object.entries(inexpressible))
    test(name, () => refused(entries, 'unsupported'));

  test('more than the limits', async () => {
    const many = function* () {
      yield root();
      for (let index = 0; index < 50; index++)
        yield file(`f${String(index).padStart(3, '0')}`, { content: 'x'.repeat(100) });
    };
    await refused(many(), 'exhausted', { limits: { entries: 20 } });
    await refused(many(), 'exhausted', { limits: { totalBytes: 1000 } });
    const value = new Map([['user.a', Buffer.alloc(defaultChangeLimits.xattrBytes + 1)]]);
    await refused([root(), file('a', { xattrs: value })], 'exhausted');
    await refused([root(), change('a', 'symlink', { target: 'x'.repeat(5000) })], 'exhausted');
    const deep = function* () {
      yield root();
      for (let depth = 1; depth < 2000; depth++) yield directory(Array(depth).fill('d').join('/'));
    };
    await refused(deep(), 'exhausted');
    // What is announced counts, not what comes: a sparse file of an exbibyte is not waited for.
    await refused([root(), { ...file('a'), size: 2 ** 50, content: chunks(Buffer.alloc(10)) }], 'exhausted');
  });

  test('a stream that breaks off, and an abort', async () => {
    using scratch = new Scratch();
    const out = scratch.file('layer');
    const broken = async function* () {
      yield root();
      yield {
        ...file('a'),
        size: 10,
        content: (async function* () {
          yield text('half');
          throw new RangeError('gone');
        })(),
      };
    };
    await assert.rejects(writeChangesLayer(broken(), out), RangeError);
    assert.ok(!existsSync(out));
    await assert.rejects(writeChangesLayer(streamOf([root()]), out, { signal: AbortSignal.abort() }), {
      code: 'cancelled',
    });
    assert.ok(!existsSync(out));
    writeFileSync(out, 'mine');
    await assert.rejects(writeChangesLayer(streamOf([root()]), out), { code: 'exists' });
    assert.equal(readFileSync(out, 'utf8'), 'mine');
  });
});
