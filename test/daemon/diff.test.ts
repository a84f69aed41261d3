/** The diff service, over a socket, with real snapshots and a content store in memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { ContainerdDiffer } from '../../src/daemon/containerd-differ.ts';
import { openServed, type Served } from '../../src/engine/serve/open.ts';
import { listMounts } from '../../src/host/index.ts';
import type { DriverName } from '../../src/snapshot/index.ts';
import { layer } from '../cli/fixture.ts';
import { requires } from '../requirement.ts';
import { type FakeContainerd, startFakeContainerd } from './fake-containerd.ts';
import { diff, type Fixture, makeScratch, snapshots, startFixture } from './fixture.ts';

const type = 'application/vnd.oci.image.layer.v1.tar+gzip';
const headers = { 'containerd-namespace': 'tests' };

interface WireMount {
  type: string;
  source: string;
  target: string;
  options: string[];
}
interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

class World implements AsyncDisposable {
  readonly scratch = makeScratch();
  readonly #undo = new AsyncDisposableStack();
  served!: Served;
  containerd!: FakeContainerd;
  fixture!: Fixture;

  static async open(driver: DriverName): Promise<World> {
    const world = new World();
    world.served = world.#undo.use(await openServed({ root: path.join(world.scratch, 'root'), driver }));
    world.containerd = world.#undo.use(await startFakeContainerd(world.scratch));
    const differ = world.#undo.use(
      new ContainerdDiffer({ served: world.served, address: world.containerd.socket }),
    );
    const { snapshots: snapshotter } = world.served;
    world.fixture = world.#undo.use(await startFixture({ snapshotter, differ }));
    return world;
  }

  async mounts(method: 'Prepare' | 'View' | 'Mounts', key: string, parent = ''): Promise<WireMount[]> {
    const { mounts } = await this.fixture.call<{ mounts: WireMount[] }>(snapshots, method, { key, parent });
    return mounts;
  }

  commit(name: string, key: string, parent = ''): Promise<unknown> {
    return this.fixture.call(snapshots, 'Commit', { name, key, parent });
  }

  async apply(mounts: readonly WireMount[], tar: Buffer, options: object = { headers }): Promise<Descriptor> {
    const blob = { mediaType: type, ...this.containerd.add(gzipSync(tar)) };
    const { applied } = await this.fixture.call<{ applied: Descriptor }>(
      diff,
      'Apply',
      { diff: blob, mounts },
      options,
    );
    return applied;
  }

  async diff(
    left: readonly WireMount[],
    right: readonly WireMount[],
    more: object = {},
  ): Promise<Descriptor> {
    const request = { left, right, ...more };
    return (await this.fixture.call<{ diff: Descriptor }>(diff, 'Diff', request, { headers })).diff;
  }

  /** Calls `use` with where the mounts are, by the system's own mount(8). */
  at<Result>(mounts: readonly WireMount[], use: (place: string) => Result): Result {
    const place = path.join(this.scratch, 'mnt');
    mkdirSync(place, { recursive: true });
    const [mount] = mounts;
    if (mount?.type === 'bind') {
      return use(mount.source);
    }
    execFileSync('mount', ['-t', mount!.type, '-o', mount!.options.join(','), mount!.source, place]);
    try {
      return use(place);
    } finally {
      execFileSync('umount', [place]);
    }
  }

  blob(digest: string): Buffer {
    return this.containerd.blobs.get(digest)!.bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
    // What snapshots use stays mounted, daemon or not.
    for (const { target } of listMounts().reverse()) {
      if (target.startsWith(`${this.scratch}/`)) execFileSync('umount', ['--lazy', target]);
    }
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

/** Names and types, as GNU tar lists them. */
const listTar = (tar: Buffer) =>
  execFileSync('tar', ['-tv', '--numeric-owner'], { input: tar })
    .toString()
    .trimEnd()
    .split('\n')
    .map(line => line.replace(/^(.)\S+\s+\S+\s+\d+ \S+ \S+ /, '$1 ').replace(/ \.\//, ' '))
    .sort();
const sha256 = (bytes: Buffer) =>
  `sha256:${execFileSync('sha256sum', { input: bytes }).toString().slice(0, 64)}`;
const base = layer({
  'a/': {},
  'a/one': '1\n',
  'a/two': '2\n',
  gone: 'x\n',
  'opaque/': {},
  'opaque/old': 'x\n',
});
const change = layer({
  'a/': {},
  'a/.wh.one': '',
  '.wh.gone': '',
  'opaque/': {},
  'opaque/.wh..wh..opq': '',
  'opaque/new': 'n\n',
});

for (const driver of ['native', 'overlayfs', 'erofs', 'squashfs'] as const) {
  const skip =
    driver === 'native'
      ? requires({ tools: ['tar', 'sha256sum'] })
      : requires({
          tools: ['tar', 'sha256sum', 'mount'],
          mounts: driver === 'overlayfs' ? ['overlay'] : ['overlay', driver],
        });

  describe(`the diff service on ${driver}`, { skip }, () => {
    test('applies a layer, and says what it is uncompressed', async () => {
      await using world = await World.open(driver);
      const mounts = await world.mounts('Prepare', 'tests/1/x');
      const applied = await world.apply(mounts, base);
      assert.deepEqual(
        { mediaType: applied.mediaType, digest: applied.digest, size: applied.size },
        { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: sha256(base), size: base.length },
      );
      await world.commit('tests/2/base', 'tests/1/x');
      const view = await world.mounts('View', 'tests/3/v', 'tests/2/base');
      assert.deepEqual(
        world.at(view, place => readdirSync(place).sort()),
        ['a', 'gone', 'opaque'],
      );
      assert.deepEqual(world.containerd.headers, [{ method: 'Read', namespace: 'tests', lease: undefined }]);
    });

    test('a layer deletes from the one below', async () => {
      await using world = await World.open(driver);
      await world.apply(await world.mounts('Prepare', 'k1'), base);
      await world.commit('base', 'k1');
      await world.apply(await world.mounts('Prepare', 'k2', 'base'), change);
      await world.commit('top', 'k2');
      const view = await world.mounts('View', 'v', 'top');
      world.at(view, place => {
        assert.deepEqual(readdirSync(place).sort(), ['a', 'opaque']);
        assert.deepEqual(readdirSync(path.join(place, 'a')), ['two']);
        assert.deepEqual(readdirSync(path.join(place, 'opaque')), ['new']);
      });
    });

    test('where nobody names the namespace, the snapshot does', async () => {
      await using world = await World.open(driver);
      await world.apply(await world.mounts('Prepare', 'k8s.io/17/extract-1 sha256:00'), base, {});
      assert.equal(world.containerd.headers[0]?.namespace, 'k8s.io');
      const nameless = await world.mounts('Prepare', 'nameless');
      await assert.rejects(world.apply(nameless, base, {}), { code: status.INVALID_ARGUMENT });
    });

    test('content that is not what its descriptor says is refused', async () => {
      await using world = await World.open(driver);
      const mounts = await world.mounts('Prepare', 'k');
      const apply = (blob: object) =>
        world.fixture.call(diff, 'Apply', { diff: { mediaType: type, ...blob }, mounts }, { headers });
      const good = world.containerd.add(gzipSync(base));
      const bytes = Buffer.from(world.blob(good.digest));
      bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
      world.containerd.blobs.get(good.digest)!.bytes = bytes;
      await assert.rejects(apply(good), { code: status.DATA_LOSS });
      const cut = world.containerd.add(gzipSync(base).subarray(0, -9));
      await assert.rejects(apply(cut), { code: status.DATA_LOSS });
      const other = world.containerd.add(gzipSync(change));
      await assert.rejects(apply({ ...other, size: other.size + 1 }), { code: status.DATA_LOSS });
      await assert.rejects(apply({ ...other, digest: `sha256:${'0'.repeat(64)}` }), {
        code: status.NOT_FOUND,
      });
      await assert.rejects(apply({ ...other, mediaType: 'application/x' }), { code: status.UNIMPLEMENTED });
      await assert.rejects(apply({ ...other, mediaType: `${type}+encrypted` }), {
        code: status.UNIMPLEMENTED,
      });
    });

    test('who gives up stops the reading', async () => {
      await using world = await World.open(driver);
      const mounts = await world.mounts('Prepare', 'k');
      const large = world.containerd.add(
        gzipSync(layer({ large: { content: Buffer.alloc(1 << 20, 'x') } }), { level: 0 }),
      );
      const controller = new AbortController();
      let pieces = 0;
      world.containerd.pieceBytes = 1024;
      world.containerd.onPiece = async () => {
        if (++pieces === 5) controller.abort();
        await new Promise(done => setTimeout(done, 5));
      };
      const call = world.fixture.call(
        diff,
        'Apply',
        { diff: { mediaType: type, ...large }, mounts },
        { headers, signal: controller.signal },
      );
      await assert.rejects(call, { code: status.CANCELLED });
      const before = pieces;
      await new Promise(done => setTimeout(done, 200));
      assert.ok(pieces < before + 20, `${pieces} pieces were read`);
      await world.fixture.call(snapshots, 'Remove', { key: 'k' });
    });

    test('makes a layer of what was written, and puts it into the content store under a lease', async () => {
      await using world = await World.open(driver);
      await world.apply(await world.mounts('Prepare', 'k1'), base);
      await world.commit('base', 'k1');
      const right = await world.mounts('Prepare', 'k2', 'base');
      world.at(right, place => {
        rmSync(path.join(place, 'gone'));
        writeFileSync(path.join(place, 'a', 'three'), '3\n');
        chmodSync(path.join(place, 'a', 'one'), 0o600);
      });
      const left = await world.mounts('View', 'v', 'base');
      const made = await world.diff(left, right, { labels: { 'containerd.io/gc.root': 'now' } });
      const blob = world.blob(made.digest);
      assert.deepEqual([made.mediaType, made.size], [type, blob.length]);
      assert.equal(made.digest, sha256(blob));
      const tar = gunzipSync(blob);
      assert.deepEqual(listTar(tar), ['- .wh.gone', '- a/one', '- a/three', 'd ', 'd a/']);
      const { labels } = world.containerd.blobs.get(made.digest)!;
      assert.deepEqual(labels, { 'containerd.io/gc.root': 'now', 'containerd.io/uncompressed': sha256(tar) });
      assert.equal(world.containerd.headers.findLast(({ method }) => method === 'Write')?.lease, 'lease-1');
      assert.ok(Date.parse(world.containerd.leases[0]!) > Date.now() + 60_000);
      assert.deepEqual([...world.containerd.writes], []);

      // Once more: it is there already, which is as good.
      const again = await world.diff(left, right, { labels: { more: 'labels' } });
      assert.equal(again.digest, made.digest);
      assert.equal(world.containerd.blobs.get(made.digest)!.labels.more, 'labels');

      const zstd = await world.diff(left, right, {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
        ref: 'mine',
        sourceDateEpoch: { seconds: 1_600_000_000, nanos: 0 },
      });
      const times = execFileSync('tar', ['-tv', '--utc', '--full-time'], {
        input: zstdDecompressSync(world.blob(zstd.digest)),
      });
      for (const line of times.toString().trimEnd().split('\n'))
        assert.match(line, / (2020-09-13 12:26:40|1970-01-01 00:00:00) /);
      await assert.rejects(world.diff(left, right, { mediaType: 'application/x' }), {
        code: status.UNIMPLEMENTED,
      });
      assert.deepEqual(
        readdirSync(world.served.directory).filter(name => name.startsWith('.')),
        [],
        'nothing is left',
      );
    });
  });
}

describe('parallel unpacking (containerd issue 13030)', {
  skip: requires({ tools: ['mount'], root: true, mounts: ['overlay'] }),
}, () => {
  test('what a layer deletes is kept though its parent is only known when it is committed', async () => {
    await using world = await World.open('overlayfs');
    // All layers at once, none with a parent.
    const [first, second] = await Promise.all([world.mounts('Prepare', 'p1'), world.mounts('Prepare', 'p2')]);
    await Promise.all([world.apply(second, change), world.apply(first, base)]);
    await world.commit('base', 'p1');
    await world.commit('top', 'p2', 'base');
    world.at(await world.mounts('View', 'v', 'top'), place => {
      assert.deepEqual(readdirSync(place).sort(), ['a', 'opaque']);
      assert.deepEqual(readdirSync(path.join(place, 'a')), ['two']);
      assert.deepEqual(readdirSync(path.join(place, 'opaque')), ['new']);
    });
  });

  test('also in another snapshotter’s directory, which containerd names as an overlay without lowers', async () => {
    await using world = await World.open('overlayfs');
    const upper = path.join(world.scratch, 'upper');
    mkdirSync(upper);
    await world.apply(
      [{ type: 'overlay', source: 'overlay', target: '', options: [`upperdir=${upper}`] }],
      change,
    );
    assert.ok(lstatSync(path.join(upper, 'gone')).isCharacterDevice());
    assert.equal(lstatSync(path.join(upper, 'gone')).rdev, 0);
    assert.equal(readFileSync(path.join(upper, 'opaque', 'new'), 'utf8'), 'n\n');
  });

  test('others’ mounts are mounted for the daemon alone, and nothing stays mounted', async () => {
    await using world = await World.open('overlayfs');
    const places = ['lower', 'upper', 'work'].map(name => path.join(world.scratch, name));
    for (const place of places) mkdirSync(place);
    writeFileSync(path.join(places[0]!, 'gone'), 'x');
    writeFileSync(path.join(places[0]!, 'stays'), 'x');
    // The root is no change, unless its time is.
    for (const place of places) utimesSync(place, 1_000_000_000, 1_000_000_000);
    const options = [`lowerdir=${places[0]}`, `upperdir=${places[1]}`, `workdir=${places[2]}`];
    const mounts = [{ type: 'overlay', source: 'overlay', target: '', options }];
    const mine = () =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter(line => line.includes(world.scratch));
    const before = mine();
    await world.apply(mounts, change);
    assert.deepEqual(mine(), before);
    world.at(mounts, place => assert.deepEqual(readdirSync(place).sort(), ['a', 'opaque', 'stays']));
    const made = await world.diff(
      [{ type: 'bind', source: places[0]!, target: '', options: ['ro', 'rbind'] }],
      mounts,
    );
    const names = listTar(gunzipSync(world.blob(made.digest)));
    assert.deepEqual(names, ['- .wh.gone', '- opaque/new', 'd a/', 'd opaque/']);
  });
});
