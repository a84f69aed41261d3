import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { readClock, unmount } from '../../src/host/index.ts';
import { call, cString } from '../../src/host/libc.ts';
import { type Mount, mountAll, type Snapshotter } from '../../src/snapshot/index.ts';
import { isBeforeLinux } from '../requirement.ts';

export type Root = { readonly path: string } & Disposable;

/** A driver under test. */
export interface Candidate {
  /** Opens the snapshotter of a directory; asked again for the same one, it finds there what it has left. */
  open(root: string): Promise<Snapshotter>;
  /** Where a test's snapshots may be: a fresh directory, for a filesystem that the driver needs. A temporary one if absent. */
  createRoot?(): Root;
  readonly skip?: string | false | undefined;
  /** How many layers one snapshot may have, at least; 60 if absent. */
  readonly depth?: number;
  readonly canRebase: boolean;
}

/**
 * What every driver must do, after containerd's own suite for snapshotters: each test begins with an empty directory, mounts what the
 * snapshotter says, with the kernel or with the program that the mounts name, and looks at the files.
 */
export function snapshotterSuite(name: string, candidate: Candidate): void {
  const each = (title: string, work: (bench: Bench) => Promise<void>, skip = candidate.skip ?? false) =>
    test(title, { skip }, async () => {
      await using bench = await Bench.create(candidate);
      await work(bench);
      assert.deepEqual(bench.mounted(), [], 'the test has unmounted what it mounted');
    });

  describe(`snapshotter: ${name}`, () => {
    each('a layer on a layer is both', async bench => {
      const { snapshots } = bench;
      await bench.layer('first', undefined, root => {
        writeFileSync(join(root, 'foo'), 'foo\n');
        mkdirSync(join(root, 'a/b/c'), { recursive: true, mode: 0o755 });
      });
      const preparing = await snapshots.prepare('second-active', 'first', { labels: { why: 'test' } });
      await bench.at(preparing, root => {
        assert.equal(readFileSync(join(root, 'foo'), 'utf8'), 'foo\n');
        writeFileSync(join(root, 'bar'), 'bar\n');
        writeFileSync(join(root, 'foo'), 'foo again\n');
        rmSync(join(root, 'a/b'), { recursive: true });
      });
      const active = await snapshots.stat('second-active');
      assert.equal(active.kind, 'active');
      assert.equal(active.parent, 'first');
      assert.deepEqual(active.labels, { why: 'test' });
      await snapshots.commit('second', 'second-active');
      assert.deepEqual((await snapshots.stat('second')).kind, 'committed');
      assert.equal((await snapshots.stat('second')).parent, 'first');
      await rejects('not-found', snapshots.stat('second-active'));
      await bench.view('second', root => {
        assert.equal(readFileSync(join(root, 'foo'), 'utf8'), 'foo again\n');
        assert.equal(readFileSync(join(root, 'bar'), 'utf8'), 'bar\n');
        assert.deepEqual(readdirSync(join(root, 'a')), []);
      });
      await bench.view('first', root => assert.deepEqual(readdirSync(root).sort(), ['a', 'foo']));
    });

    each('names: what is there, what is not, what is taken', async bench => {
      const { snapshots } = bench;
      await bench.layer('base', undefined, root => writeFileSync(join(root, 'file'), '1'));
      await snapshots.prepare('busy', 'base');
      await rejects('exists', snapshots.prepare('busy', 'base'));
      await rejects('exists', snapshots.view('busy', undefined));
      await rejects('exists', snapshots.prepare('base', undefined));
      await rejects('exists', snapshots.commit('base', 'busy'));
      await rejects('not-found', snapshots.prepare('child', 'nothing'));
      await rejects('not-found', snapshots.view('child', 'nothing'));
      await rejects('not-found', snapshots.commit('child', 'nothing'));
      await rejects('not-found', snapshots.mounts('nothing'));
      await rejects('not-found', snapshots.usage('nothing'));
      await rejects('not-found', snapshots.update('nothing', {}));
      await rejects('not-found', snapshots.remove('nothing'));
      await rejects('conflict', snapshots.prepare('child', 'busy'));
      await rejects('conflict', snapshots.commit('other', 'base'));
      await rejects('conflict', snapshots.mounts('base'));
      await rejects('invalid', snapshots.prepare('', 'base'));
      await snapshots.view('seen', 'base');
      await rejects('conflict', snapshots.commit('other', 'seen'));
      assert.deepEqual(await keys(snapshots), ['base', 'busy', 'seen']);
    });

    each('what has children stays', async bench => {
      const { snapshots } = bench;
      await bench.layer('one', undefined, root => writeFileSync(join(root, '1'), '1'));
      await bench.layer('two', 'one', root => writeFileSync(join(root, '2'), '2'));
      await snapshots.view('look', 'two');
      await rejects('conflict', snapshots.remove('one'));
      await rejects('conflict', snapshots.remove('two'));
      await snapshots.remove('look');
      await snapshots.remove('two');
      await snapshots.remove('one');
      assert.deepEqual(await keys(snapshots), []);
      await snapshots.cleanup();
      await bench.layer('one', undefined, root => assert.deepEqual(readdirSync(root), []));
    });

    each('parents come before their children', async bench => {
      const { snapshots } = bench;
      await bench.layer('a', undefined, root => writeFileSync(join(root, 'a'), 'a'));
      await bench.layer('b', 'a', root => writeFileSync(join(root, 'b'), 'b'));
      await snapshots.prepare('c', 'b');
      await snapshots.view('d', 'a');
      const seen = new Set<string | undefined>([undefined]);
      for await (const { key, parent } of snapshots.walk()) {
        assert.ok(seen.has(parent), `${key} comes after ${parent}`);
        seen.add(key);
      }
      assert.equal(seen.size, 5);
    });

    each('labels', async bench => {
      const { snapshots } = bench;
      await snapshots.prepare('one', undefined, { labels: { a: '1', b: '2', 'x/y.z': 'ü, "' } });
      await snapshots.update('one', { a: 'changed', b: undefined, c: '3' });
      const before = await snapshots.stat('one');
      assert.deepEqual(before.labels, { a: 'changed', c: '3', 'x/y.z': 'ü, "' });
      assert.ok(before.updated >= before.created);
      assert.deepEqual((await snapshots.update('one', { d: '4' }, { replace: true })).labels, { d: '4' });
      await snapshots.commit('done', 'one', { labels: { e: '5' } });
      assert.deepEqual((await snapshots.stat('done')).labels, { e: '5' });
    });

    // As containerd's own suite asks, which knows nanoseconds.
    each('times are those of the calls, within the millisecond too', async bench => {
      const { snapshots } = bench;
      let before = readClock();
      const isNew = (milliseconds: number, what: string) => {
        const time = Math.round(milliseconds * 1000);
        assert.ok(before <= time && time <= readClock(), `${what} at ${time}, not after ${before}`);
      };
      await snapshots.prepare('one', undefined);
      const { created, updated } = await snapshots.stat('one');
      isNew(created, 'created');
      assert.equal(updated, created);
      before = readClock();
      const changed = await snapshots.update('one', { a: '1' });
      isNew(changed.updated, 'updated');
      assert.equal(changed.created, created);
      before = readClock();
      await snapshots.commit('done', 'one');
      isNew((await snapshots.stat('done')).created, 'committed');
    });

    each('a view cannot be written to', async bench => {
      await bench.layer('one', undefined, root => writeFileSync(join(root, 'file'), '1'));
      await bench.layer('two', 'one', root => writeFileSync(join(root, 'more'), '2'));
      for (const parent of ['one', 'two', undefined]) {
        const mounts = await bench.snapshots.view('view', parent);
        await bench.at(mounts, root => {
          assert.throws(() => writeFileSync(join(root, 'new'), ''), { code: 'EROFS' });
          if (parent !== undefined) assert.throws(() => unlinkSync(join(root, 'file')), { code: 'EROFS' });
        });
        await bench.snapshots.remove('view');
      }
    });

    each('the same mounts after a restart, and what was written is there', async bench => {
      await bench.layer('base', undefined, root => writeFileSync(join(root, 'file'), 'base'));
      const before = await bench.snapshots.prepare('active', 'base', { labels: { keep: 'me' } });
      await bench.at(before, root => writeFileSync(join(root, 'written'), 'before'));
      await bench.reopen();
      const after = await bench.snapshots.mounts('active');
      assert.deepEqual(after, before);
      await bench.at(after, root => {
        assert.equal(readFileSync(join(root, 'written'), 'utf8'), 'before');
        assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'base');
      });
      assert.deepEqual((await bench.snapshots.stat('active')).labels, { keep: 'me' });
      await bench.snapshots.commit('done', 'active');
      await bench.view('done', root => assert.equal(readFileSync(join(root, 'written'), 'utf8'), 'before'));
    });

    each('closing twice is once', async bench => {
      await bench.snapshots.close();
      await bench.snapshots.close();
      await rejects('unavailable', bench.snapshots.stat('anything'));
      await bench.reopen();
    });

    each('a deleted file is gone in all that follows, and back where it is made again', async bench => {
      await bench.layer('one', undefined, root => {
        writeFileSync(join(root, 'gone'), 'x');
        mkdirSync(join(root, 'dir'));
        writeFileSync(join(root, 'dir/old'), 'x');
        writeFileSync(join(root, 'dir/kept'), 'x');
      });
      await bench.layer('two', 'one', root => {
        rmSync(join(root, 'gone'));
        rmSync(join(root, 'dir/old'));
      });
      await bench.layer('three', 'two', root => {
        assert.deepEqual(readdirSync(root), ['dir']);
        assert.deepEqual(readdirSync(join(root, 'dir')), ['kept']);
        writeFileSync(join(root, 'gone'), 'again');
      });
      await bench.view('three', root => {
        assert.equal(readFileSync(join(root, 'gone'), 'utf8'), 'again');
        assert.deepEqual(readdirSync(join(root, 'dir')), ['kept']);
      });
    });

    each('a directory in the place of another one has nothing of it', async bench => {
      await bench.layer('one', undefined, root => {
        mkdirSync(join(root, 'dir/sub'), { recursive: true });
        writeFileSync(join(root, 'dir/old'), 'old');
        writeFileSync(join(root, 'file'), 'file');
      });
      await bench.layer('two', 'one', root => {
        rmSync(join(root, 'dir'), { recursive: true });
        mkdirSync(join(root, 'dir'));
        writeFileSync(join(root, 'dir/new'), 'new');
        rmSync(join(root, 'file'));
        mkdirSync(join(root, 'file'));
      });
      await bench.layer('three', 'two', root => writeFileSync(join(root, 'dir/newer'), 'newer'));
      await bench.view('three', root => {
        assert.deepEqual(readdirSync(join(root, 'dir')).sort(), ['new', 'newer']);
        assert.ok(statSync(join(root, 'file')).isDirectory());
      });
    });

    each('files move, directories move, in whatever layer they are', async bench => {
      await bench.layer('one', undefined, root => {
        mkdirSync(join(root, 'dir'));
        writeFileSync(join(root, 'dir/inside'), 'inside');
        writeFileSync(join(root, 'file'), 'file');
      });
      await bench.layer('two', 'one', root => {
        renameSync(join(root, 'file'), join(root, 'moved'));
        // EXDEV where a directory of a lower layer cannot be renamed: mv copies then.
        execFileSync('mv', [join(root, 'dir'), join(root, 'moved-dir')]);
      });
      await bench.view('two', root => {
        assert.deepEqual(readdirSync(root).sort(), ['moved', 'moved-dir']);
        assert.equal(readFileSync(join(root, 'moved'), 'utf8'), 'file');
        assert.equal(readFileSync(join(root, 'moved-dir/inside'), 'utf8'), 'inside');
      });
    });

    each('metadata: modes, times, owners, symlinks, empty files, holes', async bench => {
      await bench.layer('one', undefined, root => {
        for (const name of ['mode', 'time', 'owner', 'cut'])
          writeFileSync(join(root, name), name.repeat(3000));
        symlinkSync('no/where', join(root, 'link'));
        mkdirSync(join(root, 'sticky'));
      });
      await bench.layer('two', 'one', root => {
        chmodSync(join(root, 'mode'), 0o4711);
        chmodSync(join(root, 'sticky'), 0o1777);
        utimesSync(join(root, 'time'), 1_000_000_000, 1_000_000_000);
        chownSync(join(root, 'owner'), process.geteuid!(), 12);
        truncateSync(join(root, 'cut'), 7);
        rmSync(join(root, 'link'));
        symlinkSync('else/where', join(root, 'link'));
        writeFileSync(join(root, 'empty'), '');
      });
      await bench.view('two', root => {
        assert.equal(statSync(join(root, 'mode')).mode & 0o7777, 0o4711);
        assert.equal(readFileSync(join(root, 'mode'), 'utf8'), 'mode'.repeat(3000));
        assert.equal(statSync(join(root, 'sticky')).mode & 0o7777, 0o1777);
        assert.equal(statSync(join(root, 'time')).mtimeMs, 1_000_000_000_000);
        assert.equal(statSync(join(root, 'owner')).gid, 12);
        assert.equal(readFileSync(join(root, 'cut'), 'utf8'), 'cutcutc');
        assert.equal(readlinkSync(join(root, 'link')), 'else/where');
        assert.equal(statSync(join(root, 'empty')).size, 0);
      });
      await bench.view('one', root => assert.equal(statSync(join(root, 'cut')).size, 9000));
    });

    // EOPNOTSUPP, as squashfs may answer, is a failure to containerd's differ, and to others who compare trees.
    each('xattrs can be listed where there are none', async bench => {
      await bench.layer('one', undefined, root => writeFileSync(join(root, 'file'), '1'));
      await bench.layer('two', 'one', root => writeFileSync(join(root, 'more'), '2'));
      const list = (path: string) => call('llistxattr', path, cString(path), Buffer.alloc(1000), 1000);
      await bench.view('two', root => {
        for (const name of ['.', 'file', 'more']) assert.ok(list(join(root, name)) >= 0);
      });
    });

    each('hardlinks of one layer are one file', async bench => {
      await bench.layer('one', undefined, root => {
        writeFileSync(join(root, 'a'), 'shared');
        linkSync(join(root, 'a'), join(root, 'b'));
        symlinkSync('a', join(root, 'c'));
      });
      const inodes = (root: string) => ['a', 'b'].map(name => lstatSync(join(root, name)).ino);
      await bench.view('one', root => assert.equal(new Set(inodes(root)).size, 1));
      await bench.layer('two', 'one', root => writeFileSync(join(root, 'new'), 'new'));
      await bench.view('two', root => assert.equal(new Set(inodes(root)).size, 1));
    });

    each('the root has the metadata that was given to it', async bench => {
      const before = await bench.snapshots.prepare('active', undefined);
      await bench.at(before, root => {
        assert.equal(statSync(root).mode & 0o7777, 0o755);
        chmodSync(root, 0o751);
        chownSync(root, process.geteuid!(), 7);
      });
      await bench.snapshots.commit('one', 'active');
      await bench.layer('two', 'one', root => writeFileSync(join(root, 'file'), ''));
      for (const name of ['one', 'two']) {
        await bench.view(name, root => {
          assert.equal(statSync(root).mode & 0o7777, 0o751);
          assert.equal(statSync(root).gid, 7);
        });
      }
    });

    each('usage grows with what is written, and a view has none', async bench => {
      const { snapshots } = bench;
      const mounts = await snapshots.prepare('active', undefined);
      const empty = await snapshots.usage('active');
      await bench.at(mounts, root => {
        writeFileSync(join(root, 'big'), Buffer.alloc(3_000_000, 'x'));
        for (const number of Array(20).keys()) writeFileSync(join(root, `small-${number}`), 'y'.repeat(100));
        sync(root);
      });
      const full = await snapshots.usage('active');
      assert.ok(full.size - empty.size >= 2_900_000, `${empty.size} and then ${full.size}`);
      await snapshots.commit('one', 'active');
      const committed = await snapshots.usage('one');
      assert.ok(committed.size >= 2_900_000);
      assert.deepEqual(await snapshots.usage('one'), committed);
      await snapshots.view('view', 'one');
      assert.deepEqual(await snapshots.usage('view'), { size: 0, inodes: 0 });
    });

    each('many layers', async bench => {
      const depth = candidate.depth ?? 60;
      for (let number = 0; number < depth; number += 1) {
        await bench.layer(`layer-${number}`, number === 0 ? undefined : `layer-${number - 1}`, root => {
          writeFileSync(join(root, `own-${number}`), `${number}`);
          writeFileSync(join(root, 'shared'), `${number}`);
          if (number >= 2) rmSync(join(root, `own-${number - 2}`));
        });
      }
      await bench.view(`layer-${depth - 1}`, root => {
        const expected = [depth - 1, depth - 2].map(number => `own-${number}`);
        assert.deepEqual(readdirSync(root).sort(), ['shared', ...expected].sort());
        assert.equal(readFileSync(join(root, 'shared'), 'utf8'), `${depth - 1}`);
      });
    });

    each('two snapshots of one parent do not see each other', async bench => {
      await bench.layer('base', undefined, root => writeFileSync(join(root, 'file'), 'base'));
      const [one, two] = [
        await bench.snapshots.prepare('1', 'base'),
        await bench.snapshots.prepare('2', 'base'),
      ];
      await bench.at(one, async first => {
        writeFileSync(join(first, 'file'), 'one');
        await bench.at(two, second => {
          assert.equal(readFileSync(join(second, 'file'), 'utf8'), 'base');
          writeFileSync(join(second, 'file'), 'two');
        });
        assert.equal(readFileSync(join(first, 'file'), 'utf8'), 'one');
      });
      await bench.view('base', root => assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'base'));
    });

    each('what was cut short leaves nothing, and blocks nothing', async bench => {
      const { snapshots } = bench;
      await bench.layer('base', undefined, root => writeFileSync(join(root, 'file'), 'base'));
      const controller = new AbortController();
      controller.abort();
      const { signal } = controller;
      await rejects('cancelled', snapshots.prepare('active', 'base', { signal }));
      assert.deepEqual(await keys(snapshots), ['base']);
      await snapshots.prepare('active', 'base');
      await rejects('cancelled', snapshots.commit('done', 'active', { signal }));
      await snapshots.commit('done', 'active');
      assert.deepEqual(await keys(snapshots), ['base', 'done']);
    });

    each('a layer that was made alone goes onto a parent when it is committed', async bench => {
      const { snapshots } = bench;
      await bench.layer('base', undefined, root => {
        mkdirSync(join(root, 'dir'));
        writeFileSync(join(root, 'dir/lower'), 'lower');
      });
      const mounts = await snapshots.prepare('alone', undefined);
      await bench.at(mounts, root => {
        mkdirSync(join(root, 'dir'));
        writeFileSync(join(root, 'dir/upper'), 'upper');
      });
      if (!candidate.canRebase) {
        await rejects('unsupported', snapshots.commit('both', 'alone', { parent: 'base' }));
        assert.equal((await snapshots.stat('alone')).kind, 'active');
        return;
      }
      await rejects('not-found', snapshots.commit('both', 'alone', { parent: 'nothing' }));
      await snapshots.commit('both', 'alone', { parent: 'base' });
      assert.equal((await snapshots.stat('both')).parent, 'base');
      // There the kernel says of new directories that they hide what is below.
      const hides = isBeforeLinux('5.14') && mounts.some(({ type }) => type === 'overlay');
      await bench.view('both', root =>
        assert.deepEqual(readdirSync(join(root, 'dir')).sort(), hides ? ['upper'] : ['lower', 'upper']),
      );
      await rejects('conflict', snapshots.remove('base'));
    });

    each('a snapshot can be told by its mounts', async bench => {
      const { snapshots } = bench;
      if (!('identify' in snapshots)) return;
      const { identify } = snapshots as unknown as { identify(mounts: readonly Mount[]): string | undefined };
      await bench.layer('base', undefined, root => writeFileSync(join(root, 'file'), ''));
      for (const key of ['one', 'two']) {
        assert.equal(identify.call(snapshots, await snapshots.prepare(key, 'base')), key);
      }
      const foreign = [{ type: 'bind', source: '/somewhere/1/fs', options: ['rw'] }];
      assert.equal(identify.call(snapshots, foreign), undefined);
    });
  });
}

/** A snapshotter in an empty directory, and mounts of its snapshots. */
class Bench implements AsyncDisposable {
  snapshots: Snapshotter;
  readonly #candidate: Candidate;
  readonly #root: Root;
  readonly #mounted: string[] = [];
  readonly #scratch = mkdtempSync(join(tmpdir(), 'shale-snapshot-'));

  private constructor(candidate: Candidate, root: Root, snapshots: Snapshotter) {
    this.#candidate = candidate;
    this.#root = root;
    this.snapshots = snapshots;
  }

  static async create(candidate: Candidate): Promise<Bench> {
    const root = candidate.createRoot?.() ?? createDirectory();
    return new Bench(candidate, root, await candidate.open(join(root.path, 's')));
  }

  /** As after the end of a process: opens the directory once more. */
  async reopen(): Promise<void> {
    await this.snapshots.close();
    this.snapshots = await this.#candidate.open(join(this.#root.path, 's'));
  }

  /** Mounts, works, unmounts. */
  async at(mounts: readonly Mount[], work: (root: string) => void | Promise<void>): Promise<void> {
    const place = mkdtempSync(join(this.#scratch, 'm-'));
    await mountAll(mounts, place);
    this.#mounted.push(place);
    try {
      await work(place);
    } finally {
      for (const _ of mounts) unmount(place);
      this.#mounted.splice(this.#mounted.indexOf(place), 1);
      rmdirSync(place);
    }
  }

  /** A committed snapshot. */
  async layer(name: string, parent: string | undefined, work: (root: string) => void): Promise<void> {
    const mounts = await this.snapshots.prepare(`${name}-making`, parent);
    await this.at(mounts, work);
    await this.snapshots.commit(name, `${name}-making`);
  }

  async view(parent: string, work: (root: string) => void | Promise<void>): Promise<void> {
    const key = `view-of-${parent}`;
    await this.at(await this.snapshots.view(key, parent), work);
    await this.snapshots.remove(key);
  }

  mounted(): readonly string[] {
    return this.#mounted.filter(existsSync);
  }

  /** Removes all, as a user would, so that nothing is mounted below the directory any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const place of this.#mounted) unmount(place, { lazily: true });
    try {
      for (const key of (await keys(this.snapshots)).reverse()) await this.snapshots.remove(key);
      await this.snapshots.cleanup();
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code !== 'unavailable') throw error;
    } finally {
      await this.snapshots.close();
      rmSync(this.#scratch, { recursive: true, force: true });
      this.#root[Symbol.dispose]();
    }
  }
}

function createDirectory(): Root {
  const path = mkdtempSync(join(tmpdir(), 'shale-snapshots-'));
  return {
    path,
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

async function keys(snapshots: Snapshotter): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of snapshots.walk()) found.push(key);
  return found;
}

async function rejects(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof ShaleError, `${error}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** Space is given when data is written out. */
function sync(path: string): void {
  execFileSync('sync', ['-f', path]);
}
