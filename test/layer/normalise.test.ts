import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Warnings } from '../../src/error/index.ts';
import {
  createLimits,
  createNormaliser,
  type LayerEntry,
  LayerError,
  type LayerLimits,
} from '../../src/layer/index.ts';
import type { TarEntry } from '../../src/tar/entry.ts';
import { xattrs } from './dsl.ts';

function tar(path: string, given: Partial<TarEntry> = {}): TarEntry {
  return {
    type: 'file',
    path,
    linkpath: '',
    size: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
    ...given,
  };
}

function normalise(
  entries: TarEntry[],
  options: { limits?: Partial<LayerLimits>; strict?: boolean } = {},
): { entries: (LayerEntry | undefined)[]; warnings: Warnings } {
  const warnings = new Warnings({ strict: options.strict ?? false });
  const one = createNormaliser({ layer: 3, warnings, limits: createLimits(options.limits) });
  return { entries: entries.map(entry => one(entry)), warnings };
}

function one(path: string, given: Partial<TarEntry> = {}): LayerEntry | undefined {
  return normalise([tar(path, given)]).entries[0];
}

function rejects(path: string, given: Partial<TarEntry>, message: RegExp): void {
  assert.throws(
    () => one(path, given),
    (error: unknown) => {
      assert.ok(error instanceof LayerError);
      assert.equal(error.code, 'invalid');
      assert.equal(error.detail.layer, 3);
      assert.equal(typeof error.detail.path, 'string');
      assert.match(error.message, /^layer 3 \(counted from the oldest, 0 first\): /);
      assert.match(error.message, message);
      return true;
    },
  );
}

test('rule 1: slashes and dots are normalised away', () => {
  const cases = {
    'a/b': 'a/b',
    '/a/b': 'a/b',
    './a/b': 'a/b',
    './/a': 'a',
    '//a//b': 'a/b',
    'a/./b/.': 'a/b',
    'a/b/': 'a/b',
    '././a': 'a',
    '.a': '.a',
    'a.': 'a.',
    '...': '...',
    'a/..b/b..': 'a/..b/b..',
    '.whatever': '.whatever',
  };
  for (const [raw, path] of Object.entries(cases)) assert.equal(one(raw)?.path, path, raw);
});

test('rule 1: the root, however it is written', () => {
  for (const raw of ['/', './', '.', '//', '/./', './.'])
    assert.equal(one(raw, { type: 'directory' })?.path, '', raw);
});

test('rule 1: "..", an empty name and NUL are rejected, also in the target of a hardlink', () => {
  for (const path of ['..', '../a', 'a/..', 'a/../b', '/..', './..', '../']) rejects(path, {}, /"\.\."/);
  rejects('', {}, /is empty/);
  rejects('a\0b', {}, /NUL/);
  rejects('a', { type: 'hardlink', linkpath: '../a' }, /hardlink target holds a "\.\."/);
  rejects('a', { type: 'hardlink', linkpath: '' }, /hardlink target is empty/);
  rejects('a', { type: 'hardlink', linkpath: 'b\0' }, /NUL/);
  rejects('.wh.a', { type: 'hardlink', linkpath: '../a' }, /"\.\."/);
  rejects('.wh..wh.plnk/../a', {}, /"\.\."/);
});

test('rule 1: the target of a hardlink is normalised as a path is', () => {
  const entry = one('./b', { type: 'hardlink', linkpath: './/a/./c' });
  assert.deepEqual(entry, { type: 'hardlink', path: 'b', target: 'a/c' });
});

test('rule 2: a whiteout, of whatever entry type', () => {
  for (const type of ['file', 'directory', 'symlink', 'character', 'block', 'fifo', 'hardlink'] as const) {
    const linkpath = type === 'hardlink' ? '.wh..wh.aufs' : '';
    assert.deepEqual(one('a/.wh.b', { type, linkpath }), { type: 'whiteout', path: 'a/b' }, type);
  }
  assert.deepEqual(one('/.wh.b/', { type: 'directory' }), { type: 'whiteout', path: 'b' });
  assert.deepEqual(one('.wh....'), { type: 'whiteout', path: '...' });
  assert.deepEqual(one('.wh..hidden'), { type: 'whiteout', path: '.hidden' });
});

test('rule 2: a name that only holds .wh. is none', () => {
  for (const path of ['a.wh.b', 'x/somewhere.wh.', '.wh', '.whb', 'a/.wh-b'])
    assert.equal(one(path)?.type, 'file', path);
});

test('rule 3: opaque markers', () => {
  assert.deepEqual(one('a/b/.wh..wh..opq'), { type: 'opaque', path: 'a/b' });
  assert.deepEqual(one('.wh..wh..opq'), { type: 'opaque', path: '' });
});

test('rule 3: AUFS metadata is ignored, with what stands below it', () => {
  for (const path of [
    '.wh..wh.aufs',
    '.wh..wh.orph',
    'a/.wh..wh.plnk/123.456',
    '.wh..wh.plnk/.wh.x',
    '.wh..wh..opq2',
  ]) {
    assert.equal(one(path), undefined, path);
  }
  assert.equal(one('.wh..wh.plnk', { type: 'directory' }), undefined);
});

test('rule 3: markers that name nothing, or stand in the middle of a path, are rejected', () => {
  for (const path of ['.wh.', 'a/.wh..', 'a/.wh...']) rejects(path, {}, /names nothing/);
  for (const path of ['.wh.a/b', 'x/.wh.a/b', '.wh..wh..opq/a', '.wh.a/.wh..wh.plnk', '.wh./a']) {
    rejects(path, {}, /middle of the path/);
  }
});

test('rule 4: a root that is not a directory is rejected', () => {
  rejects('./', {}, /root is a file/);
  rejects('/', { type: 'symlink', linkpath: 'a' }, /root is a symlink/);
  rejects('.', { type: 'hardlink', linkpath: 'a' }, /root is a hardlink/);
  rejects('/', { type: 'character' }, /root is a character/);
});

test('rule 6: a hardlink to the root or to a marker is rejected', () => {
  rejects('a', { type: 'hardlink', linkpath: '/' }, /hardlink to the root/);
  rejects('a', { type: 'hardlink', linkpath: 'b/.wh.a' }, /does not exist/);
  rejects('a', { type: 'hardlink', linkpath: '.wh..wh.plnk/1.2' }, /does not exist/);
});

test('rule 9: metadata is kept exactly', () => {
  const mtime = { seconds: -5, nanoseconds: 999_999_999 };
  const common = {
    mode: 0o7654,
    uid: 0xffffffff,
    gid: 0xfffffffe,
    mtime,
    xattrs: xattrs({ 'user.empty': '', 'user.\xff': '\0\xff' }),
  };
  assert.deepEqual(one('a', { ...common, size: 2 ** 40 }), {
    type: 'file',
    path: 'a',
    ...common,
    size: 2 ** 40,
    offset: undefined,
    segments: undefined,
  });
  assert.deepEqual(one('a', { ...common, type: 'symlink', linkpath: '../\xff/./b/' }), {
    type: 'symlink',
    path: 'a',
    ...common,
    target: '../\xff/./b/',
  });
  assert.deepEqual(one('a', { ...common, type: 'block', major: 300, minor: 1_000_000 }), {
    type: 'block',
    path: 'a',
    ...common,
    major: 300,
    minor: 1_000_000,
  });
  assert.deepEqual(one('a', { ...common, type: 'fifo' }), { type: 'fifo', path: 'a', ...common });
  assert.deepEqual(one('a', { ...common, type: 'directory' }), { type: 'directory', path: 'a', ...common });
});

test('where a file lies is passed on', () => {
  const normaliser = createNormaliser({ layer: 3, warnings: new Warnings(), limits: createLimits() });
  const segments = [{ offset: 512, length: 100 }];
  const entry = normaliser(tar('a', { size: 1000 }), { offset: 4096, segments });
  assert.ok(entry?.type === 'file');
  assert.deepEqual([entry.offset, entry.segments], [4096, segments]);
});

test('the maps of a layer together are bounded', () => {
  const limits = createLimits({ sparseSegments: 10 });
  const normaliser = createNormaliser({ layer: 3, warnings: new Warnings(), limits });
  const segments = Array.from({ length: 10 }, (_, index) => ({ offset: index * 10, length: 5 }));
  for (const path of ['a', 'b', 'c', 'd']) normaliser(tar(path, { size: 100 }), { offset: 0, segments });
  assert.throws(() => normaliser(tar('e', { size: 100 }), { offset: 0, segments: segments.slice(0, 1) }), {
    code: 'exhausted',
    message: /more than 40 segments in the sparse files of a layer \(41\); --max-sparse allows more/,
  });
});

test('rule 9: an owner beyond 2^32-1 and an impossible symlink are rejected', () => {
  rejects('a', { uid: 2 ** 32 }, /owner 4294967296:0/);
  rejects('a', { gid: -1 }, /owner/);
  rejects('a', { type: 'symlink', linkpath: '' }, /symlink target is empty/);
  rejects('a', { type: 'symlink', linkpath: 'a\0' }, /NUL/);
});

test('rule 10: overlay xattrs are dropped with a warning each, others stay', () => {
  const given = xattrs({
    'trusted.overlay.opaque': 'y',
    'user.overlay.redirect': '/etc',
    'user.overlayed': '1',
    'trusted.other': '2',
  });
  const { entries, warnings } = normalise([tar('a', { type: 'directory', xattrs: given })]);
  const [entry] = entries;
  assert.ok(entry?.type === 'directory');
  assert.deepEqual([...entry.xattrs.keys()], ['user.overlayed', 'trusted.other']);
  assert.equal(warnings.counts.get('overlay-xattr'), 2);
  assert.equal(warnings.examples[0]?.layer, 3);
  assert.equal(warnings.examples[0]?.path, 'a');
  assert.throws(() => normalise([tar('a', { xattrs: given })], { strict: true }), { code: 'invalid' });
});

test('rule 10: a 0:0 character device is left out with a warning, and so are its hardlinks', () => {
  const { entries, warnings } = normalise([
    tar('a', { type: 'character' }),
    tar('b', { type: 'hardlink', linkpath: 'a' }),
    tar('c', { type: 'hardlink', linkpath: './b' }),
    tar('a', { size: 4 }),
    tar('d', { type: 'hardlink', linkpath: 'a' }),
    tar('e', { type: 'character', minor: 1 }),
    tar('f', { type: 'block' }),
  ]);
  assert.deepEqual(
    entries.map(entry => entry?.path),
    [undefined, undefined, undefined, 'a', 'd', 'e', 'f'],
  );
  assert.equal(warnings.counts.get('whiteout-device'), 3);
  assert.equal(one('.wh.x', { type: 'character' })?.type, 'whiteout');
});

test('limits name the flag that raises them', () => {
  const exhausted = (limits: Partial<LayerLimits>, entries: TarEntry[], detail: object) =>
    assert.throws(
      () => normalise(entries, { limits }),
      (error: unknown) => {
        assert.ok(error instanceof LayerError);
        assert.equal(error.code, 'exhausted');
        assert.ok(error.message.includes((detail as { flag: string }).flag));
        assert.deepEqual({ ...error.detail, name: undefined }, { ...detail, name: undefined });
        return true;
      },
    );
  exhausted({ entries: 2 }, [tar('a'), tar('.wh..wh.aufs'), tar('c')], {
    limit: 2,
    flag: '--max-entries',
    actual: 3,
  });
  exhausted({ pathBytes: 3 }, [tar('./abc'), tar('abcd')], { limit: 3, flag: '--max-path', actual: 4 });
  exhausted({ pathBytes: 3 }, [tar('a', { type: 'hardlink', linkpath: 'abcd' })], {
    limit: 3,
    flag: '--max-path',
    actual: 4,
  });
  exhausted({ pathBytes: 3 }, [tar('a', { type: 'symlink', linkpath: 'abcd' })], {
    limit: 3,
    flag: '--max-path',
    actual: 4,
  });
  exhausted({ pathDepth: 2 }, [tar('a/b'), tar('a/b/c')], { limit: 2, flag: '--max-depth', actual: 3 });
  const value = { 'user.a': 'abcd' };
  exhausted({ xattrBytes: 3 }, [tar('a', { xattrs: xattrs(value) })], {
    limit: 3,
    flag: '--max-xattr',
    actual: 4,
  });
  const many = xattrs({ 'user.a': '1', 'user.b': '2', 'user.c': '3' });
  exhausted({ xattrBytes: 5 }, [tar('a', { xattrs: many })], { limit: 20, flag: '--max-xattr', actual: 21 });
  assert.equal(createLimits({ ratio: 10 }).ratioFloor, 2 ** 20);
  assert.equal(createLimits().ratioFloor, 8 * 2 ** 30);
});
