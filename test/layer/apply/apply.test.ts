/** What is around the merge itself: failures that leave the target as it was, limits, what is not known below, ordinary users. */
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type ShaleError, Warnings } from '../../../src/error/index.ts';
import { readXattrs } from '../../../src/host/index.ts';
import { type ApplyOptions, adoptParents, applyLayer, readUpper } from '../../../src/layer/index.ts';
import { formatHeader } from '../../../src/tar/index.ts';
import { writeRecord } from '../../engine/tar.ts';
import { createScratch, needsRoot } from '../../host/scratch.ts';
import { createRecord, type LayerRecord } from '../../model/record.ts';
import { recordsOf } from '../diff/records.ts';
import { applyRecords, archiveOf, piecesOf } from './stacks.ts';

const own = { uid: process.getuid!(), gid: process.getgid!() };
const file = (path: string, given: Partial<LayerRecord> = {}) =>
  createRecord({ type: 'file', path, content: 'new', size: 3, ...own, ...given });
const directory = (path: string, given: Partial<LayerRecord> = {}) =>
  createRecord({ type: 'directory', path, ...own, ...given });

function createTarget() {
  const scratch = createScratch();
  const path = scratch.at('root');
  mkdirSync(`${path}/d`, { recursive: true });
  writeFileSync(`${path}/d/old`, 'old');
  return Object.assign(scratch, { root: path });
}

describe('an archive that is no good leaves the target as it was', () => {
  const cases: Readonly<Record<string, readonly [Buffer, string, ApplyOptions?]>> = {
    'cut within a file': [archiveOf([file('d/.wh.old'), file('x')]).subarray(0, 1100), 'corrupt'],
    'a wrong checksum': [
      Buffer.concat([writeRecord(file('d/.wh.old'), Buffer.alloc(0)), Buffer.alloc(512, 1)]),
      'corrupt',
    ],
    'a path that climbs': [archiveOf([file('d/.wh.old'), file('../x')]), 'invalid'],
    'too many entries': [archiveOf([file('d/.wh.old'), file('x')]), 'exhausted', { limits: { entries: 1 } }],
    'too many bytes': [archiveOf([file('d/.wh.old'), file('x')]), 'exhausted', { limits: { totalBytes: 2 } }],
    'a long path': [
      archiveOf([file('d/.wh.old'), file('x'.repeat(90))]),
      'exhausted',
      { limits: { pathBytes: 80 } },
    ],
    'an abort': [archiveOf([file('d/.wh.old')]), 'cancelled', { signal: AbortSignal.abort() }],
    'a warning that counts': [
      archiveOf([file('d/.wh.old'), createRecord({ type: 'character', path: 'x' })]),
      'invalid',
      { warnings: new Warnings({ strict: true }) },
    ],
  };
  for (const [title, [archive, code, options]] of Object.entries(cases)) {
    test(title, async () => {
      using scratch = createTarget();
      const before = lstatSync(scratch.root, { bigint: true });
      await assert.rejects(
        applyLayer(piecesOf(archive, 100), { path: scratch.root, form: 'plain' }, options),
        (error: ShaleError) => error.code === code,
      );
      assert.deepEqual(readdirSync(scratch.root), ['d']);
      assert.equal(readFileSync(`${scratch.root}/d/old`, 'utf8'), 'old');
      assert.equal(lstatSync(scratch.root, { bigint: true }).ino, before.ino);
    });
  }
});

test('an abort while the archive comes, and a source that fails', async () => {
  using scratch = createTarget();
  const abort = new AbortController();
  async function* source(end: () => void): AsyncGenerator<Uint8Array> {
    yield archiveOf([file('x')]).subarray(0, 700);
    end();
    yield Buffer.alloc(100);
  }
  const target = { path: scratch.root, form: 'plain' } as const;
  await assert.rejects(
    applyLayer(
      source(() => abort.abort()),
      target,
      { signal: abort.signal },
    ),
    { code: 'cancelled' },
  );
  const broken = source(() => {
    throw new Error('gone');
  });
  await assert.rejects(applyLayer(broken, target), /gone/);
  assert.deepEqual(readdirSync(scratch.root), ['d']);
});

test('a target that is not there, or is no directory', async () => {
  using scratch = createTarget();
  for (const [path, code] of [
    ['none', 'not-found'],
    ['root/d/old', 'invalid'],
  ] as const)
    await assert.rejects(
      applyRecords([file('x')], scratch.at(path), 'plain'),
      (error: ShaleError) => error.code === code,
    );
});

test('metadata to the nanosecond, sparse files with their holes', async () => {
  using scratch = createTarget();
  const mtime = { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
  const size = 64 * 2 ** 20;
  const sparse = writeRecord({ ...file('sparse', { mtime }), size }, [
    { offset: size - 3, bytes: Buffer.from('end') },
  ]);
  const archive = Buffer.concat([
    sparse,
    archiveOf([
      file('d/f', { mode: 0o6755, mtime, xattrs: new Map([['user.a', Buffer.from('1')]]) }),
      directory('d', { mode: 0o1711, mtime }),
    ]),
  ]);
  await applyLayer(piecesOf(archive), { path: scratch.root, form: 'plain' });
  for (const [name, mode] of [
    ['d/f', 0o6755],
    ['d', 0o1711],
    ['sparse', 0o644],
  ] as const) {
    const stats = lstatSync(`${scratch.root}/${name}`, { bigint: true });
    assert.equal(stats.mtimeNs, 1_700_000_000_123_456_789n, name);
    assert.equal(Number(stats.mode) % 0o10000, mode, name);
  }
  const stats = lstatSync(`${scratch.root}/sparse`);
  assert.equal(stats.size, size);
  assert.ok(stats.blocks * 512 < 2 ** 20, 'its holes take space');
});

test('content does not stay in memory', async () => {
  using scratch = createTarget();
  const size = 256 * 2 ** 20;
  async function* archive(): AsyncGenerator<Uint8Array> {
    yield formatHeader({ ...file('x'), size });
    const chunk = Buffer.alloc(2 ** 20, 7);
    for (let at = 0; at < size; at += chunk.length) yield chunk;
    yield Buffer.alloc(1024);
  }
  const before = process.memoryUsage.rss();
  await applyLayer(archive(), { path: scratch.root, form: 'plain' });
  assert.equal(lstatSync(`${scratch.root}/x`).size, size);
  assert.ok(process.memoryUsage.rss() - before < 120 * 2 ** 20, 'it grew with the content');
});

describe('what is below is not known', { skip: needsRoot }, () => {
  const layer = [
    file('a/b/new'),
    directory('a/own', { mode: 0o700 }),
    file('c/.wh.gone'),
    file('e/.wh..wh..opq'),
  ];

  test('parents and marks are taken at their word, and the diff says them again', async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('upper'));
    await applyRecords(layer, scratch.at('upper'), 'overlay');
    const back = await recordsOf(
      readUpper({ path: scratch.at('upper'), form: 'overlay' }),
      scratch.at('layer'),
    );
    assert.deepEqual(
      back.map(({ path }) => path),
      ['a/b/new', 'a/own/', 'c/.wh.gone', 'e/.wh..wh..opq'],
    );
    assert.ok(readXattrs(scratch.at('upper/c')).has('trusted.overlay.origin'));
  });

  test('once it is known, parents become what they are below', async () => {
    using scratch = createScratch();
    const time = { seconds: 1_500_000_000, nanoseconds: 5 };
    for (const name of ['upper', 'lower']) mkdirSync(scratch.at(name));
    const below = ['a', 'a/b', 'c', 'e'].map(path =>
      directory(path, { mode: 0o2750, uid: 3, gid: 4, mtime: time }),
    );
    await applyRecords(
      [directory('./', { mode: 0o711, mtime: time }), ...below, file('c/gone')],
      scratch.at('lower'),
      'plain',
    );
    await applyRecords(layer, scratch.at('upper'), 'overlay');
    for (let again = 0; again < 2; again += 1) {
      await adoptParents({ path: scratch.at('upper'), form: 'overlay' }, scratch.at('lower'));
      for (const [name, mode] of [
        ['a', 0o2750],
        ['a/b', 0o2750],
        ['c', 0o2750],
        ['e', 0o2750],
        ['a/own', 0o700],
        ['.', 0o711],
      ] as const) {
        const stats = lstatSync(scratch.at(`upper/${name}`), { bigint: true });
        assert.equal(Number(stats.mode) % 0o10000, mode, name);
        if (mode === 0o2750)
          assert.deepEqual([stats.uid, stats.gid, stats.mtimeNs], [3n, 4n, 1_500_000_000_000_000_005n]);
        assert.ok(
          ![...readXattrs(scratch.at(`upper/${name}`)).keys()].some(each => each.includes('implied')),
          name,
        );
      }
    }
    assert.ok(readXattrs(scratch.at('upper/e')).has('trusted.overlay.opaque'));
  });

  test('whoever is refused a hardlink to a file below is told that the file may be there, and what to do', async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('root'));
    const link = createRecord({ type: 'hardlink', path: 'l', linkpath: 'below' });
    const refusal = async (below: 'nothing' | 'unknown') => {
      const target = { path: scratch.at('root'), form: 'overlay-user' } as const;
      return (await applyLayer(piecesOf(archiveOf([link]), 512), target, { below }).catch(
        error => error,
      )) as ShaleError;
    };
    assert.match((await refusal('unknown')).hint!, /in turn/);
    assert.equal((await refusal('nothing')).hint, undefined);
  });

  test('a hardlink to a file below is refused', async () => {
    using scratch = createScratch();
    mkdirSync(scratch.at('upper'));
    const link = createRecord({ type: 'hardlink', path: 'l', linkpath: 'below' });
    await assert.rejects(applyRecords([link], scratch.at('upper'), 'overlay'), { code: 'invalid' });
  });
});
