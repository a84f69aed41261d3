import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { layer, shale } from '../cli/fixture.ts';
import { layoutOf } from '../engine/image.ts';
import { listDirectory } from '../model/disk.ts';
import type { Listing } from '../model/listing.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { noise, skopeo } from '../registry/image.ts';
import { type RealRegistry, startRegistry } from '../registry/real.ts';
import { requires } from '../requirement.ts';
import { ContainerdLab, containerdLab, containerdMajor, type LabOptions } from './containerd-lab.ts';
import { Kubelet } from './kubelet.ts';

const link = (linkpath: string) => ({ type: 'symlink' as const, linkpath, mode: 0o777 });
const hardlink = (linkpath: string) => ({ type: 'hardlink' as const, linkpath });

/** A system that can run, and in its later layers everything that layers do to those below. */
function createLayers(): Buffer[] {
  const busybox = readFileSync(execFileSync('sh', ['-c', 'command -v busybox']).toString().trim());
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`srv/many/${n}`, `file ${n}\n`]));
  return [
    layer({
      'bin/': {},
      'bin/busybox': { content: busybox },
      ...Object.fromEntries(
        ['sh', 'cat', 'sleep', 'ls', 'mv', 'rm', 'mkdir', 'id'].map(name => [`bin/${name}`, link('busybox')]),
      ),
      'etc/': {},
      'etc/passwd': { content: 'root:x:0:0::/:/bin/sh\n', mode: 0o644 },
      'etc/old': 'deleted later\n',
      'tmp/': { mode: 0o1777 },
      'proc/': {},
      'dev/': {},
      'sys/': {},
      'srv/': {},
      'srv/many/': {},
      ...many,
      'srv/opaque/': {},
      'srv/opaque/hidden': 'hidden later\n',
      'srv/suid': { content: 'x', mode: 0o4755, uid: 1000, gid: 1000 },
    }),
    layer({
      'etc/': {},
      'etc/.wh.old': '',
      'srv/': {},
      'srv/many/': {},
      'srv/opaque/': {},
      'srv/opaque/.wh..wh..opq': '',
      'srv/opaque/shown': 'shown\n',
      'srv/many/.wh.7': '',
      'srv/many/8': 'changed\n',
      'srv/large': { content: noise(8_000_000, 3) },
      'srv/alias': hardlink('srv/large'),
    }),
    layer({
      'etc/': {},
      'srv/': {},
      'srv/.wh.many': '',
      'srv/late/': {},
      'srv/late/file': 'late\n',
      'etc/passwd': 'root:x:0:0:changed:/:/bin/sh\n',
    }),
  ];
}

/** The root has no entry, so its time is that of the unpacking. */
const masked = (listing: Listing): Listing => listing.map(line => line.replace(/^\/ (.*) \S+$/, '/ $1'));

const seed = readSeed();

/** What containerd does with Shale as its snapshotter: it pulls, unpacks, runs, commits and removes, and Shale may be killed at any moment. */
export function containerdSuite(
  name: string,
  options: LabOptions & { readonly skip?: string | false } = {},
): void {
  const skip = options.skip || requires(containerdLab);
  describe(name, { skip }, () => defineTests(options));
}

function defineTests(options: LabOptions): void {
  let registry: RealRegistry;
  let lab: ContainerdLab;
  let image: string;
  /** What umoci makes of the image. */
  let expected: Listing;

  before(async () => {
    registry = await startRegistry();
    image = `${registry.host}/system:1`;
    lab = await ContainerdLab.start({ ...options, sandboxImage: image });
    const layout = lab.file('layout');
    mkdirSync(layout);
    await layoutOf(createLayers()).writeDirectory(layout);
    const tagged = `${lab.file('tagged')}:system`;
    await skopeo('copy', '-q', `oci:${layout}`, `oci:${tagged}`);
    execFileSync('umoci', [
      'config',
      '--image',
      tagged,
      '--config.cmd',
      '/bin/sleep',
      '--config.cmd',
      '1000',
    ]);
    await skopeo('copy', '-q', '--dest-tls-verify=false', `oci:${tagged}`, `docker://${image}`);
    execFileSync('umoci', ['unpack', '--image', tagged, lab.file('bundle')], {
      stdio: 'pipe',
    });
    expected = masked(listDirectory(lab.file('bundle', 'rootfs')));
  });
  after(async () => {
    await lab?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  // Not by the transfer service, which newer ones have: that has a configuration of its own.
  const local = options.differ ? ['--local'] : [];
  const pull = () => lab.ctr('images', 'pull', ...local, '--plain-http', image);
  /** The committed snapshot that no other is based on. */
  const findTop = async () => {
    const rows = (await lab.snapshots('ls'))
      .trim()
      .split('\n')
      .slice(1)
      .map(row => row.trim().split(/\s+/));
    const parents = new Set(rows.filter(row => row.length === 3).map(([, parent]) => parent));
    const tops = rows.filter(row => row.at(-1) === 'Committed' && !parents.has(row[0]!));
    assert.equal(tops.length, 1, `tops: ${JSON.stringify(rows)}`);
    return tops[0]![0]!;
  };
  /** What a view of a snapshot shows, by containerd's own mounts. */
  const see = async (key: string): Promise<Listing> => {
    const place = lab.file('view');
    mkdirSync(place, { recursive: true });
    // A view is collected at once, for nothing refers to it; what is prepared by hand is a root.
    await lab.snapshots('prepare', 'to-see', key);
    try {
      const mount = (await lab.snapshots('mounts', place, 'to-see')).trim();
      execFileSync('sh', ['-c', mount]);
      try {
        return masked(listDirectory(place));
      } finally {
        execFileSync('umount', [place]);
      }
    } finally {
      await lab.snapshots('rm', 'to-see');
    }
  };
  const run = (name: string, ...command: string[]) =>
    showWhole(command, marked => lab.ctr('run', '--rm', image, name, ...marked));
  const layerDigests = (): string[] => {
    const blob = (digest: string) => lab.file('layout', 'blobs', 'sha256', digest.slice('sha256:'.length));
    const index = JSON.parse(readFileSync(lab.file('layout', 'index.json'), 'utf8'));
    const { layers } = JSON.parse(readFileSync(blob(index.manifests[0].digest), 'utf8'));
    return layers.map(({ digest }: { digest: string }) => digest);
  };
  /** Kills a container, and removes all there is of it. */
  const end = async (container: string) => {
    for (let tries = 0; ; tries++) {
      await lab.ctr('tasks', 'kill', '--signal', 'SIGKILL', container).catch(() => {});
      await lab.ctr('tasks', 'delete', '--force', container).catch(() => {});
      try {
        await lab.ctr('containers', 'rm', container);
        return;
      } catch (error) {
        if (tries === 20 || /not found/.test(String(error))) throw error;
        await sleep(100);
      }
    }
  };
  /** No image, no snapshot: and then nothing of them on disk either. */
  const removeAll = async () => {
    await lab.ctr('images', 'rm', '--sync', image);
    await emptied(lab.namespace);
  };
  /** When containerd has collected what nothing refers to any more. */
  const emptied = async (namespace: string) => {
    for (let waited = 0; waited < 10_000; waited += 100) {
      const listed = await lab.ctr('-n', namespace, 'snapshots', '--snapshotter', 'shale', 'ls');
      if (listed.trim().split('\n').length === 1) break;
      await sleep(100);
    }
    const places = readdirSync(lab.file('shale', 'containerd', 'snapshots', options.driver ?? 'overlayfs'));
    assert.deepEqual(
      places.filter(name => /^[0-9]+$/.test(name)),
      [],
      'snapshots that nobody knows',
    );
  };

  test('pulls and unpacks what umoci unpacks', async () => {
    await pull();
    assert.match(await lab.ctr('plugins', 'ls'), /io\.containerd\.snapshotter\.v1\s+shale\s+\S+\s+ok/);
    const top = await findTop();
    assert.deepEqual(await see(top), expected);
    const usage = await lab.snapshots('usage', '-b', top);
    assert.match(usage, new RegExp(`${top}\\s+[1-9][0-9]*\\s+[1-9]`));
    const info = JSON.parse(await lab.snapshots('info', top));
    assert.equal(info.Kind, 'Committed');
  });

  test('a second pull unpacks nothing', async () => {
    const before = lab.log.length;
    await pull();
    assert.doesNotMatch(lab.log.slice(before), /Snapshots\/Commit/);
  });

  test('runs containers, which see the image and write on top of it', async () => {
    const script = 'cat /srv/late/file; echo x > /new; rm /etc/passwd; ls /srv /etc; cat /new';
    const shown = 'late\n/etc:\n\n/srv:\nalias\nlarge\nlate\nopaque\nsuid\nx\n';
    assert.equal(await run('one', 'sh', '-c', script), shown);
    assert.equal(await run('two', 'sh', '-c', 'cat /etc/passwd'), 'root:x:0:0:changed:/:/bin/sh\n');
  });

  test('snapshots by hand: prepare, write, commit, label, remove', async () => {
    const top = await findTop();
    await lab.snapshots('prepare', 'hand', top);
    const place = lab.file('hand');
    mkdirSync(place, { recursive: true });
    execFileSync('sh', ['-c', (await lab.snapshots('mounts', place, 'hand')).trim()]);
    execFileSync('sh', ['-c', 'echo hello > "$0/greeting"; rm -r "$0/srv/late"', place]);
    execFileSync('umount', [place]);
    await lab.snapshots('commit', 'hand-made', 'hand');
    await lab.snapshots('label', 'hand-made', 'a.b=c');
    assert.equal(JSON.parse(await lab.snapshots('info', 'hand-made')).Labels['a.b'], 'c');
    const seen = await see('hand-made');
    assert.ok(seen.some(line => line.includes('greeting')) && !seen.some(line => line.includes('late')));
    await assert.rejects(lab.snapshots('rm', top), /failed precondition|cannot remove/);
    await assert.rejects(lab.snapshots('rm', 'nothing-there'), /not found/);
    await assert.rejects(lab.snapshots('prepare', 'hand-made', top), /already exists/);
    assert.match(await lab.snapshots('tree'), /hand-made/);
    await lab.snapshots('rm', 'hand-made');
  });

  test('what a container has changed becomes a layer, the same whoever makes it', async () => {
    const script =
      'echo y > /srv/new; rm /srv/suid; rm -r /srv/opaque; mkdir /srv/opaque; cat /srv/late/file > /srv/late/copy; sleep 100';
    await lab.ctr('run', '-d', image, 'changing', 'sh', '-c', script);
    for (let waited = 0; waited < 100; waited++) {
      const seen = await lab
        .ctr('tasks', 'exec', '--exec-id', `x${waited}`, 'changing', 'ls', '/srv/late/copy')
        .catch(() => '');
      if (seen !== '') break;
      await sleep(50);
    }
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ctr -a "$0" -n "$1" snapshots --snapshotter shale diff changing | tar -tzv',
      lab.file('containerd.sock'),
      lab.namespace,
    ]);
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/^(.)\S+ +\S+ +(\d+) \S+ \S+ /, '$1 $2 ').replace(' ./', ' '));
    // Directories on the way are told by some and not by others, and so are those that runc makes to mount over.
    const told = entries.filter(entry => !entry.startsWith('d')).sort();
    assert.deepEqual(
      told,
      [
        '- 0 srv/.wh.suid',
        ...(options.differ ? ['- 0 srv/opaque/.wh..wh..opq'] : ['- 0 srv/opaque/.wh.shown']),
        '- 2 srv/new',
        '- 5 srv/late/copy',
      ].sort(),
    );
    await end('changing');
  });

  const noTransfer = containerdMajor(options.programs) < 2 && 'before containerd 2 it speaks https alone';
  test('pulls by the transfer service, too', { skip: noTransfer }, async () => {
    await removeAll();
    const begun = lab.log.length;
    await lab.ctr('images', 'pull', '--local=false', '--plain-http', image);
    const order = lab.log.slice(begun).match(/(?<="method":"Snapshots\/)(Prepare|Commit)/g);
    const [inTurn, atOnce] = [
      'Prepare Commit Prepare Commit Prepare Commit',
      'Prepare Prepare Prepare Commit Commit Commit',
    ];
    assert.equal(order?.join(' '), options.rebase ? atOnce : inTurn);
    const top = await findTop();
    assert.deepEqual(await see(top), expected);
    assert.equal(JSON.parse(await lab.snapshots('info', top)).Labels['containerd.io/snapshot.ref'], top);
  });

  test('the transfer service gets what the cache has, layers below included', {
    skip: noTransfer,
  }, async () => {
    await removeAll();
    const words = ['--root', lab.file('shale'), '--format', 'none', '--insecure-registry', registry.host];
    assert.equal((await shale(['pull', ...words, image])).status, 0);
    await lab.ctr('images', 'pull', '--local=false', '--plain-http', image);
    assert.deepEqual(await see(await findTop()), expected);
    assert.equal(await run('cached', 'cat', '/srv/late/file'), 'late\n');
    assert.equal((await shale(['rm', '--root', lab.file('shale'), image])).status, 0);
    assert.equal(await run('cached', 'cat', '/srv/late/file'), 'late\n');
  });

  if (options.differ) {
    test('a layer that was damaged in the content store is refused', async () => {
      await removeAll();
      await lab.ctr('content', 'fetch', '--plain-http', image);
      const [, digest] = layerDigests();
      const blob = lab.file(
        'root',
        'io.containerd.content.v1.content',
        'blobs',
        'sha256',
        digest!.slice('sha256:'.length),
      );
      const bytes = readFileSync(blob);
      // In the middle of what does not compress: every length stays as it was.
      bytes.writeUInt8(bytes.readUInt8(4_000_000) ^ 1, 4_000_000);
      chmodSync(blob, 0o600);
      writeFileSync(blob, bytes);
      await assert.rejects(pull(), /data loss|DataLoss|sha256|corrupt|unknown/i);
      assert.doesNotMatch(await lab.snapshots('ls'), /Active/);
      await removeAll();
    });
  }

  test('Kubernetes: an image is pulled and a pod runs; what the cache has is neither fetched nor unpacked', async () => {
    await removeAll();
    const pulled = await shale([
      ...[
        'pull',
        '--root',
        lab.file('shale'),
        '--format',
        'none',
        '--insecure-registry',
        registry.host,
        image,
      ],
    ]);
    assert.equal(pulled.status, 0, pulled.stderr);
    using kubelet = new Kubelet(lab.file('containerd.sock'));
    for (const from of ['the cache', 'the registry'] as const) {
      const begun = lab.log.length;
      await kubelet.images('PullImage', { image: { image } });
      const said = lab.log.slice(begun);
      const applied = options.differ ? /"method":"Diff\/Apply"/ : /"method":"Snapshots\/Commit"/;
      if (from === 'the cache') {
        assert.doesNotMatch(said, applied);
        assert.match(said, /ALREADY_EXISTS/);
        const content = await lab.ctr('-n', 'k8s.io', 'content', 'ls', '-q');
        for (const digest of layerDigests()) assert.ok(!content.includes(digest), `${digest} was fetched`);
      } else assert.match(said, applied);
      assert.equal(await kubelet.runPod(image, ['/bin/cat', '/srv/late/file']), 'late\n');
      await kubelet.images('RemoveImage', { image: { image } });
      if (from === 'the cache')
        assert.equal((await shale(['rm', '--root', lab.file('shale'), image])).status, 0);
      await emptied('k8s.io');
    }
    await pull();
  });

  test('a container goes on while Shale is killed and started again', async () => {
    const counting = 'n=0; while sleep 0.05; do n=$((n+1)); echo $n > /next; mv /next /count; done';
    await lab.ctr('run', '-d', image, 'counter', 'sh', '-c', counting);
    const count = async () =>
      Number(
        await showWhole(['cat', '/count'], marked =>
          lab.ctr('tasks', 'exec', '--exec-id', `e${Math.random()}`, 'counter', ...marked),
        ),
      );
    const mounts = await lab.snapshots('mounts', '/x', 'counter');
    await sleep(300);
    const before = await count();
    await lab.killShale();
    await sleep(300);
    const during = await count();
    assert.ok(during > before, `${during} after ${before}`);
    await assert.rejects(lab.snapshots('mounts', '/x', 'counter'), /navailable|connection/);
    await lab.startShale();
    for (let tries = 0; tries < 50; tries++) {
      if ((await lab.snapshots('mounts', '/x', 'counter').catch(() => '')) !== '') break;
      await sleep(100);
    }
    assert.equal(await lab.snapshots('mounts', '/x', 'counter'), mounts);
    assert.ok((await count()) > during);
    assert.equal(await run('beside', 'cat', '/srv/late/file'), 'late\n');
    await end('counter');
  });

  test(`killed at random moments of pulls, everything goes on (SEED=${seed})`, async () => {
    const random = createRandom(seed);
    for (let round = 0; round < 4; round++) {
      await removeAll();
      const pulling = pull().then(
        () => 'pulled',
        () => 'failed',
      );
      await sleep(random.integer(350));
      await lab.killShale(random.chance(0.8) ? 'SIGKILL' : 'SIGTERM');
      await pulling;
      await lab.startShale();
      await lab.eventually('images', 'pull', ...local, '--plain-http', image);
      assert.deepEqual(await see(await findTop()), expected, `round ${round}`);
      assert.equal(await run(`round-${round}`, 'cat', '/srv/late/file'), 'late\n');
    }
    await removeAll();
  });

  test(`killed at random moments of runs, everything goes on (SEED=${seed})`, async () => {
    await lab.eventually('images', 'pull', ...local, '--plain-http', image);
    const random = createRandom(seed + 1);
    for (let round = 0; round < 4; round++) {
      const running = lab.ctr('run', '--rm', image, `run-${round}`, 'cat', '/srv/late/file').then(
        text => text,
        () => undefined,
      );
      await sleep(random.integer(300));
      await lab.killShale();
      const text = await running;
      assert.ok(text === undefined || text === 'late\n' || text === '', text);
      await lab.startShale();
      await lab.eventually('containers', 'ls');
      await end(`run-${round}`).catch(() => {});
      await lab.snapshots('rm', `run-${round}`).catch(() => {});
      assert.equal(
        await showWhole(['cat', '/srv/late/file'], marked =>
          lab.eventually('run', '--rm', image, `again-${round}`, ...marked),
        ),
        'late\n',
      );
    }
    await removeAll();
  });
}

/**
 * What a command in a container prints: its end gets lost now and then where it exits right after printing, though it has ended well (containerd's shim and ctr, with any
 * snapshotter). Then it is run again.
 */
async function showWhole(
  command: readonly string[],
  run: (marked: readonly string[]) => Promise<string>,
): Promise<string> {
  const mark = 'that was all\n';
  let shown = '';
  for (let turn = 0; turn < 4; turn++) {
    shown = await run(['sh', '-c', `"$@" && echo ${mark.trim()}`, 'sh', ...command]);
    if (shown.endsWith(mark)) return shown.slice(0, -mark.length);
  }
  throw new Error(`the output of ${command.join(' ')} ends with ${JSON.stringify(shown)}`);
}
