/** The commands of this machine as root runs them: mount, change, diff, commit, unmount; what a crash leaves, and what is refused. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { findMount, listMounts, unmount } from '../../src/host/index.ts';
import { requires } from '../requirement.ts';
import { bin, type Ended, run, sample, shale, temporary, writeImage } from './fixture.ts';

const skip = requires({ mounts: ['overlay'], tools: ['umoci', 'tar'] });

class Bench implements Disposable {
  readonly #scratch = temporary();
  readonly path = this.#scratch.path;
  readonly place = this.file('place');
  source = '';

  async prepare(): Promise<void> {
    mkdirSync(this.place);
    this.source = await writeImage(this.file('image'), sample());
    await this.ok('copy', this.source, 'cache:base:1', '-q');
  }

  file(name: string): string {
    return this.#scratch.file(name);
  }

  run(...words: readonly string[]): Promise<Ended> {
    return shale(words, { cwd: this.path, env: { SHALE_ROOT: this.file('root') } });
  }

  /** Standard output. */
  async ok(...words: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...words);
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
    return stdout.toString();
  }

  async fails(status: number, message: RegExp, ...words: readonly string[]): Promise<void> {
    const ended = await this.run(...words);
    assert.equal(ended.status, status, `${words.join(' ')}: ${ended.stderr}`);
    assert.match(ended.stderr, message);
    assert.doesNotMatch(ended.stderr, /\n\s+at /, 'no stack trace');
  }

  [Symbol.dispose](): void {
    for (const { target } of listMounts().reverse()) {
      if (target.startsWith(`${this.path}/`)) unmount(target, { lazily: true });
    }
    this.#scratch[Symbol.dispose]();
  }
}

describe('images on this machine', { skip }, () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = new Bench();
    await bench.prepare();
  });
  afterEach(() => bench[Symbol.dispose]());

  test('mount, change, diff, commit, and the image is what was changed', async () => {
    const { place } = bench;
    await bench.ok('mount', 'cache:base:1', 'place', '-q');
    assert.equal(readFileSync(path.join(place, 'etc/passwd'), 'utf8'), 'me:x:1:1::/:/bin/sh\n');
    assert.deepEqual(readdirSync(path.join(place, 'etc')), ['passwd']);
    const attributes = findMount(place)!.attributes;
    assert.ok(attributes.includes('nosuid') && attributes.includes('nodev'), attributes.join());
    assert.equal(await bench.ok('diff', 'place'), '', 'nothing has changed');
    rmSync(path.join(place, 'bin/link'));
    chmodSync(path.join(place, 'bin/sh'), 0o700);
    mkdirSync(path.join(place, 'etc/new'));
    writeFileSync(path.join(place, 'etc/new/file'), 'new\n');
    const changes = (await bench.ok('diff', 'place'))
      .split('\n')
      .filter(line => line !== '')
      .sort();
    assert.deepEqual(changes, [
      'A /etc/new',
      'A /etc/new/file',
      'C /bin',
      'C /bin/sh',
      'C /etc',
      'D /bin/link',
    ]);
    const json = JSON.parse(await bench.ok('diff', 'place', '--json'));
    assert.deepEqual(
      json.changes.map((each: { kind: string; path: string }) => `${each.kind} ${each.path}`).sort(),
      [
        'added /etc/new',
        'added /etc/new/file',
        'changed /bin',
        'changed /bin/sh',
        'changed /etc',
        'deleted /bin/link',
      ],
    );
    await bench.ok('diff', 'place', '-o', 'layer.tar.gz', '-q');
    const names = execFileSync('tar', ['tzf', bench.file('layer.tar.gz')], { encoding: 'utf8' });
    assert.deepEqual(names.trim().split('\n'), [
      'bin/',
      'bin/.wh.link',
      'bin/sh',
      'etc/',
      'etc/new/',
      'etc/new/file',
    ]);
    const committed = await bench.ok(
      'commit',
      'place',
      'app:2',
      '-q',
      '--change',
      'CMD ["new"]',
      '-m',
      'words',
    );
    assert.match(committed, /^docker\.io\/library\/app@sha256:[0-9a-f]{64}\n$/);
    await bench.ok('copy', 'cache:app:2', 'oci:copied:app', '-q');
    execFileSync('umoci', ['unpack', '--image', bench.file('copied:app'), bench.file('bundle')], {
      stdio: 'ignore',
    });
    const rootfs = bench.file('bundle/rootfs');
    assert.equal(readFileSync(path.join(rootfs, 'etc/new/file'), 'utf8'), 'new\n');
    assert.equal(statSync(path.join(rootfs, 'bin/sh')).mode & 0o7777, 0o700);
    assert.ok(!existsSync(path.join(rootfs, 'bin/link')));
    const config = JSON.parse(await bench.ok('inspect', 'cache:app:2', '--json'));
    assert.deepEqual(config.config.Cmd, ['new']);
    await bench.ok('umount', '--discard', 'place', '-q');
    assert.equal(findMount(place), undefined);
    assert.doesNotMatch(await bench.ok('snapshot', 'ls', '-q'), /mount-/);
  });

  test('what was written stays after umount, and can be committed then', async () => {
    await bench.ok('mount', 'cache:base:1', 'place', '-q');
    writeFileSync(path.join(bench.place, 'kept'), 'kept\n');
    const { changes, snapshot } = JSON.parse(await bench.ok('umount', 'place', '--json'));
    assert.equal(changes, 'kept');
    await bench.ok('commit', snapshot, 'kept:1', '-q');
    assert.equal(await bench.ok('cat', 'cache:kept:1', 'kept'), 'kept\n');
    await bench.ok('snapshot', 'rm', snapshot, '-q');
    // Nothing written, nothing kept.
    await bench.ok('mount', 'cache:kept:1', 'place', '-q');
    assert.equal(JSON.parse(await bench.ok('umount', 'place', '--json')).changes, 'none');
    assert.doesNotMatch(await bench.ok('snapshot', 'ls', '-q'), /mount-/);
  });

  test('read-only is read-only, with and without --suid and --dev', async () => {
    await bench.ok('mount', '--ro', '--suid', '--dev', 'cache:base:1', 'place', '-q');
    assert.throws(() => writeFileSync(path.join(bench.place, 'new'), ''), { code: 'EROFS' });
    const attributes = findMount(bench.place)!.attributes;
    assert.ok(attributes.includes('ro') && !attributes.includes('nosuid') && !attributes.includes('nodev'));
    await bench.ok('umount', 'place', '-q');
  });

  for (const upper of ['tmpfs', '16M']) {
    test(`--upper ${upper}: what is written goes there, and is lost only where that is said`, async () => {
      await bench.ok('mount', '--upper', upper, 'cache:base:1', 'place', '-q');
      writeFileSync(path.join(bench.place, 'new'), 'new\n');
      assert.deepEqual((await bench.ok('diff', 'place')).split('\n').filter(Boolean).sort(), [
        'A /new',
        'C /',
      ]);
      await bench.fails(12, /would be lost.*\n.*--discard/s, 'umount', 'place');
      assert.ok(findMount(bench.place) !== undefined, 'it is still mounted');
      await bench.ok('commit', 'place', 'app:3', '-q');
      await bench.ok('umount', '--discard', 'place', '-q');
      assert.equal(await bench.ok('cat', 'cache:app:3', 'new'), 'new\n');
      assert.deepEqual(
        listMounts().filter(({ target }) => target.startsWith(bench.path)),
        [],
      );
    });
  }

  test('--upper DIR: what is written is there the next time', async () => {
    mkdirSync(bench.file('mine'));
    await bench.ok('mount', '--upper', 'mine', 'cache:base:1', 'place', '-q');
    writeFileSync(path.join(bench.place, 'new'), 'new\n');
    await bench.ok('umount', 'place', '-q');
    assert.equal(readFileSync(bench.file('mine/upper/new'), 'utf8'), 'new\n');
    await bench.ok('mount', '--upper', 'mine', 'cache:base:1', 'place', '-q');
    assert.equal(readFileSync(path.join(bench.place, 'new'), 'utf8'), 'new\n');
    await bench.ok('umount', 'place', '-q');
  });

  test('what a reboot has left is told, and cleared; nothing is lost', async () => {
    await bench.ok('mount', 'cache:base:1', 'place', '-q');
    writeFileSync(path.join(bench.place, 'kept'), 'kept\n');
    unmount(bench.place);
    const { stdout, stderr } = await bench.run('mount');
    assert.match(stdout.toString(), / left /);
    assert.match(stderr, /1 mount is left from before.*shale umount --left/);
    const { mounts } = JSON.parse(await bench.ok('umount', '--left', '--json'));
    assert.equal(mounts[0].changes, 'kept');
    assert.equal(JSON.parse(await bench.ok('mount', '--json')).mounts.length, 0);
    await bench.ok('commit', mounts[0].snapshot, 'saved:1', '-q');
    assert.equal(await bench.ok('cat', 'cache:saved:1', 'kept'), 'kept\n');
  });

  test('what is mounted read-only has no changes, and cannot be committed', async () => {
    await bench.ok('mount', '--ro', 'cache:base:1', 'place', '-q');
    assert.equal(await bench.ok('diff', 'place'), '');
    await bench.fails(3, /can only be read/, 'commit', 'place', 'app:1');
    await bench.ok('umount', 'place', '-q');
  });

  test('nothing is mounted over what the machine needs', async () => {
    // In a mount namespace of its own, should it not be refused.
    const alone = ['--mount', '--propagation', 'private', process.execPath, bin, 'mount', 'cache:base:1'];
    for (const place of ['/', '/proc', '/dev', bench.file('root'), '']) {
      const env = { SHALE_ROOT: bench.file('root') };
      const { status, stderr } = await run('unshare', [...alone, place], { cwd: bench.path, env });
      assert.equal(status, 3, `${place}: ${stderr}`);
    }
  });

  test('fuse-overlayfs takes an upper directory elsewhere', {
    skip: requires({ tools: ['fuse-overlayfs'], mounts: ['fuse'] }),
  }, async () => {
    await bench.ok('mount', '--driver', 'fuse-overlayfs', '--upper', 'tmpfs', 'cache:base:1', 'place', '-q');
    writeFileSync(path.join(bench.place, 'new'), 'new\n');
    assert.match(await bench.ok('diff', 'place'), /^A \/new$/m);
    await bench.ok('umount', '--discard', 'place', '-q');
  });

  test('what cannot be is refused, and nothing is left', async () => {
    await bench.fails(4, /no directory nowhere.*\n.*mkdir -p nowhere/s, 'mount', 'cache:base:1', 'nowhere');
    await bench.fails(2, /--ro and --rw exclude/, 'mount', '--ro', '--rw', 'cache:base:1', 'place');
    await bench.fails(2, /needs DIR/, 'mount', 'cache:base:1');
    await bench.fails(3, /a disk cannot have/, 'mount', '--upper', '5', 'cache:base:1', 'place');
    await bench.fails(4, /not in the cache/, 'mount', 'cache:none:1', 'place');
    await bench.fails(9, /no kernel has AUFS/, 'mount', '--driver', 'aufs', 'cache:base:1', 'place');
    await bench.fails(3, /no setting "x"/, 'mount', '--driver-option', 'x=1', 'cache:base:1', 'place');
    await bench.fails(4, /nothing mounted at place/, 'umount', 'place');
    await bench.fails(4, /no snapshot "none"/, 'commit', 'none', 'app:1');
    assert.equal(await bench.ok('snapshot', 'ls', '-q'), '\n'.slice(1));
    await bench.ok('mount', 'cache:base:1', 'place', '-q');
    await bench.fails(5, /mounted at .*place already.*\n.*shale umount/s, 'mount', 'cache:base:1', 'place');
    const busy = process.cwd();
    try {
      process.chdir(bench.place);
      await bench.fails(12, /place is in use.*\n.*--lazy/s, 'umount', 'place');
    } finally {
      process.chdir(busy);
    }
    await bench.ok('umount', 'place', '-q');
  });

  test('snapshots by hand: prepare, write, commit, view, usage, remove', async () => {
    const line = await bench.ok('snapshot', 'prepare', 'work', 'cache:base:1', '-q', '--label', 'why=test');
    assert.match(line, /^mount -t overlay -o \S+ overlay TARGET\n$/);
    execFileSync('sh', ['-c', line.replace('TARGET', bench.place)]);
    writeFileSync(path.join(bench.place, 'tool'), 'x'.repeat(10_000));
    unmount(bench.place);
    await bench.ok('snapshot', 'commit', 'tools', 'work', '-q');
    const view = await bench.ok('snapshot', 'view', 'look', 'tools', '-q');
    assert.equal(await bench.ok('snapshot', 'mounts', 'look'), view);
    execFileSync('sh', ['-c', view.replaceAll('TARGET', bench.place)]);
    assert.equal(statSync(path.join(bench.place, 'tool')).size, 10_000);
    assert.throws(() => writeFileSync(path.join(bench.place, 'new'), ''), { code: 'EROFS' });
    unmount(bench.place);
    const { usage } = JSON.parse(await bench.ok('snapshot', 'usage', 'tools', '--json'));
    assert.ok(usage[0].size >= 10_000 && usage[0].inodes === 2, JSON.stringify(usage));
    const { rows } = JSON.parse(await bench.ok('du', '--json'));
    const row = rows.find(({ kind }: { kind: string }) => kind === 'snapshots');
    assert.ok(row.count === 5 && row.bytes >= 10_000, JSON.stringify(row));
    await bench.fails(12, /parent of look/, 'snapshot', 'rm', 'tools');
    await bench.ok('snapshot', 'rm', 'look', 'tools', '-q');
    const { snapshots } = JSON.parse(await bench.ok('snapshot', 'ls', '--json'));
    assert.deepEqual(
      snapshots.map(({ kind }: { kind: string }) => kind),
      ['committed', 'committed', 'committed'],
    );
    // They are of an image that is gone from the cache, but young.
    await bench.ok('rm', 'base:1', '-q');
    const report = JSON.parse(await bench.ok('gc', '--json'));
    assert.equal(report.kept.filter(({ kind }: { kind: string }) => kind === 'snapshot').length, 3);
  });
});
