import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { describe, test } from 'node:test';
import {
  attachVolume,
  createScratch,
  type DiskError,
  lockDisk,
  parseVolume,
  recogniseDisk,
  Volumes,
} from '../../../src/zone/disk/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { requires } from '../../requirement.ts';
import { noise } from '../../store/sample.ts';

const skip = requires({ tools: ['mkfs.ext4', 'e2fsck', 'debugfs'] });
const code = (expected: string) => (error: DiskError) => error.code === expected;
const run = (program: string, ...words: string[]) =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const mebibyte = 2 ** 20;

describe('parseVolume', () => {
  for (const [text, source, target, readOnly] of [
    ['data:/var/lib/data', { kind: 'named', name: 'data' }, '/var/lib/data', false],
    ['data:/x:ro', { kind: 'named', name: 'data' }, '/x', true],
    ['a.b-c_1://x//./y/:rw', { kind: 'named', name: 'a.b-c_1' }, '/x/y', false],
    ['./data:/x', { kind: 'path', path: './data' }, '/x', false],
    ['/srv/a:b:c:/x:ro', { kind: 'path', path: '/srv/a:b:c' }, '/x', true],
    ['../disk.img:/mnt', { kind: 'path', path: '../disk.img' }, '/mnt', false],
    ['.:/mnt', { kind: 'path', path: '.' }, '/mnt', false],
    ['/a:/b:/c', { kind: 'path', path: '/a:/b' }, '/c', false],
  ] as const) {
    test(text, () =>
      assert.deepEqual(parseVolume(text), { source, target, readOnly, mustWrite: text.endsWith(':rw') }),
    );
  }

  for (const text of [
    '',
    'data',
    ':/x',
    'data:x',
    'data:/',
    'data:/../x',
    'data:/a/..',
    '-rf:/x',
    '.hidden:/x',
    'a b:/x',
    'data:/x:rx',
    'x\0:/y',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseVolume(text), code('invalid')));
  }
});

describe('volumes of the cache', { skip }, () => {
  test('are made once, keep what is in them, are listed and removed', async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    assert.deepEqual(volumes.list(), []);
    const path = await volumes.ensure('data', { bytes: 64 * mebibyte, owner: { uid: 1000, gid: 70_000 } });
    run('e2fsck', '-f', '-n', path);
    assert.match(run('debugfs', '-R', 'features', path), /has_journal/);
    assert.match(run('debugfs', '-R', 'stat /', path), /User:\s+1000\s+Group:\s+70000/);
    const { ino } = statSync(path);
    assert.equal(await volumes.ensure('data', { bytes: 128 * mebibyte }), path);
    assert.equal(statSync(path).ino, ino);
    await volumes.ensure('another');
    const list = volumes.list();
    assert.deepEqual(
      list.map(({ name, size, inUse }) => [name, size, inUse]),
      [
        ['another', 8 * 2 ** 30, false],
        ['data', 64 * mebibyte, false],
      ],
    );
    assert.ok(list[0]!.used < 4 * mebibyte);
    await volumes.remove('data');
    assert.ok(!existsSync(path));
    await assert.rejects(volumes.remove('data'), code('not-found'));
  });

  test('two who make one at once get the same, and no litter is left', async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    const made = Array.from({ length: 8 }, () => volumes.ensure('data', { bytes: 16 * mebibyte }));
    assert.equal(new Set(await Promise.all(made)).size, 1);
    assert.deepEqual(readdirSync(scratch.file('volumes')), ['data.img']);
    run('e2fsck', '-f', '-n', scratch.file('volumes', 'data.img'));
  });

  test('names that are paths or options are refused, and symlinks in their place', async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    for (const name of ['', '.', '..', '../x', 'a/b', '-x', '.x', 'a\0', 'a'.repeat(129)]) {
      await assert.rejects(volumes.ensure(name), code('invalid'));
      await assert.rejects(volumes.remove(name), code('invalid'));
    }
    mkdirSync(scratch.file('volumes'));
    writeFileSync(scratch.file('victim'), 'mine');
    symlinkSync('../victim', scratch.file('volumes', 'link.img'));
    await assert.rejects(volumes.ensure('link'), code('invalid'));
    assert.deepEqual(volumes.list(), []);
  });

  test('a disk that is written to belongs to one; readers share', async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    const path = await volumes.ensure('data', { bytes: 16 * mebibyte });
    {
      using _writer = await volumes.lock(path);
      assert.equal(volumes.list()[0]!.inUse, true);
      await assert.rejects(volumes.lock(path), code('conflict'));
      await assert.rejects(volumes.lock(path, 'shared'), code('conflict'));
      await assert.rejects(volumes.remove('data'), code('conflict'));
    }
    {
      using _one = await volumes.lock(path, 'shared');
      using _two = await volumes.lock(path, 'shared');
      await assert.rejects(volumes.lock(path), code('conflict'));
      await assert.rejects(volumes.remove('data'), code('conflict'));
    }
    assert.equal(volumes.list()[0]!.inUse, false);
    await volumes.remove('data');
  });

  test('the lock lives as long as a process that has inherited it', async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    const path = await volumes.ensure('data', { bytes: 16 * mebibyte });
    const lock = await volumes.lock(path);
    const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', lock.fd] });
    try {
      lock[Symbol.dispose]();
      await assert.rejects(volumes.lock(path), code('conflict'));
    } finally {
      child.kill('SIGKILL');
      await new Promise(resolve => child.once('exit', resolve));
    }
    using _free = await volumes.lock(path);
  });
});

describe('files as volumes', () => {
  const tools = ['mkfs.ext4', 'mksquashfs', 'mkfs.erofs', 'debugfs'];
  const skip = requires({ tools });

  test('are recognised by what is in them', { skip }, async () => {
    using scratch = new Scratch();
    const source = scratch.directory('source');
    writeFileSync(`${source}/file`, noise(1, 100_000));
    await createScratch(scratch.file('a'), 16 * mebibyte);
    run('mksquashfs', source, scratch.file('b'), '-quiet');
    run('mkfs.erofs', scratch.file('c'), source);
    assert.deepEqual(recogniseDisk(scratch.file('a')), { type: 'ext4', readOnly: false, dirty: false });
    assert.deepEqual(recogniseDisk(scratch.file('b')), { type: 'squashfs', readOnly: true, dirty: false });
    assert.deepEqual(recogniseDisk(scratch.file('c')), { type: 'erofs', readOnly: true, dirty: false });
    for (const name of ['a', 'b', 'c']) {
      truncateSync(scratch.file(name), statSync(scratch.file(name)).size - 8192);
      assert.throws(() => recogniseDisk(scratch.file(name)), code('corrupt'), name);
    }
  });

  test('that are no filesystem, or no file, are refused', { skip: requires({ tools: ['mkfifo'] }) }, () => {
    using scratch = new Scratch();
    for (const [name, bytes] of [
      ['empty', ''],
      ['short', 'hsqs'],
      ['text', 'x'.repeat(5000)],
    ] as const) {
      writeFileSync(scratch.file(name), bytes);
      assert.throws(() => recogniseDisk(scratch.file(name)), code('invalid'), name);
    }
    run('mkfifo', scratch.file('fifo'));
    assert.throws(() => recogniseDisk(scratch.file('fifo')), code('invalid'));
    assert.throws(() => recogniseDisk(scratch.path), code('invalid'));
    assert.throws(() => recogniseDisk('/dev/null'), code('invalid'));
    assert.throws(() => recogniseDisk(scratch.file('none')), code('not-found'));
  });

  test('are attached: writable ones to one zone, read-only ones to many', { skip }, async () => {
    using scratch = new Scratch();
    const volumes = new Volumes(scratch.path);
    const attach = (text: string, name = 'volume-0') =>
      attachVolume(parseVolume(text), { volumes, directory: scratch.path, name, bytes: 16 * mebibyte });
    await createScratch(scratch.file('disk'), 16 * mebibyte);
    const file = `${scratch.file('disk')}:/data`;
    {
      using disk = await attach(file);
      assert.deepEqual([disk.type, disk.readOnly, disk.target], ['ext4', false, '/data']);
      await assert.rejects(attach(file), code('conflict'));
      await assert.rejects(attach(`${file}:ro`), code('conflict'));
    }
    {
      using _one = await attach(`${file}:ro`);
      using two = await attach(`${file}:ro`);
      assert.equal(two.readOnly, true);
    }
    run('debugfs', '-w', '-R', 'feature needs_recovery', scratch.file('disk'));
    await assert.rejects(attach(`${file}:ro`), code('invalid'));
    using _mended = await attach(file);
    using named = await attach('data:/x');
    assert.equal(named.path, scratch.file('volumes', 'data.img'));
    const source = scratch.directory('source');
    writeFileSync(`${source}/file`, 'hello');
    using directory = await attach(`${source}:/y`, 'volume-1');
    assert.deepEqual([directory.type, directory.readOnly], ['squashfs', true]);
    assert.deepEqual(recogniseDisk(directory.path), { type: 'squashfs', readOnly: true, dirty: false });
    await assert.rejects(attach(`${scratch.file('none')}:/z`), code('not-found'));
    // What can only be read is not what was asked for.
    await assert.rejects(attach(`${source}:/y:rw`, 'volume-2'), code('unsupported'));
    await assert.rejects(attach(`${directory.path}:/y:rw`), code('unsupported'));
    symlinkSync('disk', scratch.file('link'));
    await assert.rejects(attach(`${scratch.file('link')}:/z`), code('conflict'));
    using image = await attach(`${source}/../volume-1.sqfs:/z`);
    assert.equal(image.path, directory.path);
  });

  test('a lock does not make, change or need to write its file', async () => {
    using scratch = new Scratch();
    await assert.rejects(lockDisk(scratch.file('none'), 'shared'), code('not-found'));
    assert.ok(!existsSync(scratch.file('none')));
    openSync(scratch.file('read-only'), 'w', 0o400);
    using _lock = await lockDisk(scratch.file('read-only'), 'exclusive');
  });
});
