/**
 * Whole commits against the kernel: what OverlayFS shows after a random script has changed an image, is what the
 * image that was committed of its upper directory renders to; and umoci unpacks it alike.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { commitImage } from '../../src/commit/index.ts';
import { copy } from '../../src/engine/copy.ts';
import { render } from '../../src/engine/index.ts';
import { type ChangeEntry, writeChangesLayer } from '../../src/layer/index.ts';
import { mediaTypes } from '../../src/oci/index.ts';
import { openStore } from '../../src/store/index.ts';
import { Files, sha256 } from '../archive/fixture.ts';
import { Scratch } from '../engine/scratch.ts';
import { chunks, streamOf } from '../layer/diff/changes.ts';
import { listDirectory } from '../model/disk.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 4);
const skip = findObstacle();
const child = join(import.meta.dirname, 'overlay-child.ts');

const lower = `
mkdir -p bin etc/conf.d usr/lib/deep/er var/log tmp empty
echo sh > bin/sh; chmod 4755 bin/sh; ln bin/sh bin/bash; ln -s sh bin/ash
for i in 1 2 3 4 5; do echo "conf $i" > etc/conf.d/$i; head -c $((i * 7000)) /dev/zero > usr/lib/deep/$i; done
echo one > usr/lib/deep/er/one; echo two > usr/lib/deep/er/two
ln -s ../usr/lib etc/lib; ln -s none var/dangling
mkfifo var/pipe; mknod var/null c 1 3; chmod 1777 tmp; chown 33:44 var/log
setfattr -n user.kept -v yes etc/conf.d/1; setfattr -n trusted.kept -v yes usr/lib
chmod 0751 .; find . -depth -exec touch -h -d @1500000000.5 {} +
`;

const places = [
  ...[
    'bin',
    'bin/sh',
    'bin/bash',
    'etc',
    'etc/conf.d',
    'etc/conf.d/1',
    'etc/conf.d/2',
    'etc/lib',
    'usr',
    'usr/lib',
  ],
  ...[
    'usr/lib/deep',
    'usr/lib/deep/1',
    'usr/lib/deep/er',
    'usr/lib/deep/er/one',
    'var',
    'var/log',
    'var/pipe',
    'var/null',
  ],
  ...[
    'var/dangling',
    'tmp',
    'empty',
    'new',
    'new/a',
    'new/b',
    'usr/new',
    'usr/new/c',
    'etc/conf.d/new',
    'tmp/x',
    'tmp/y',
  ],
];

/** Commands of which each may fail: what they leave is what counts. */
function createScript(random: Random): string {
  const commands: ((a: string, b: string) => string)[] = [
    a => `rm -rf ${a}`,
    a => `rm -rf ${a}; mkdir ${a}; echo again > ${a}/again`,
    a => `rm -rf ${a}; mkdir ${a}`,
    a => `rm -rf ${a}; echo file > ${a}`,
    a => `mkdir -p ${a}; echo in > ${a}/in`,
    a => `echo more >> ${a}`,
    a => `head -c 300000 /dev/urandom > ${a}`,
    (a, b) => `mv ${a} ${b}`,
    (a, b) => `ln ${a} ${b}`,
    (a, b) => `ln -s ${a} ${b}`,
    (a, b) => `cp -a ${a} ${b}`,
    a => `chmod ${random.pick(['0700', '4711', '1777', '0000'])} ${a}`,
    a => `chown -h ${random.integer(70_000)}:${random.integer(70_000)} ${a}`,
    a => `setfattr -n user.changed -v ${random.integer(100)} ${a}`,
    a => `setfattr -x user.kept ${a}`,
    a => `touch -h -d @${random.integer(2_000_000_000)}.${random.integer(1_000_000_000)} ${a}`,
    a => `mknod ${a} ${random.pick(['p', 'c 1 5', 'b 8 300'])}`,
    a => `truncate -s ${random.integer(500_000)} ${a}`,
  ];
  const lines = Array.from({ length: 4 + random.integer(30) }, () =>
    random.pick(commands)(random.pick(places), random.pick(places)),
  );
  return `set +e\n${lines.map(line => `timeout 0.3 sh -c '${line}'`).join('\n')}\ntrue`;
}

interface Seen {
  readonly merged: readonly string[];
  readonly changes: (Omit<ChangeEntry, 'content' | 'inode' | 'xattrs'> & {
    inode: string;
    xattrs: [string, string][];
    content?: string;
  })[];
}

function* revive({ changes }: Seen): Generator<ChangeEntry> {
  for (const { content, inode, xattrs, ...entry } of changes) {
    yield {
      ...entry,
      inode: BigInt(inode),
      xattrs: new Map(xattrs.map(([name, value]) => [name, Buffer.from(value, 'base64')])),
      ...(content !== undefined && { content: chunks(Buffer.from(content, 'base64')) }),
    };
  }
}

/** The lower directory as an image of one layer, in a layout. */
async function createBase(scratch: Scratch): Promise<string> {
  scratch.directory('lower');
  execFileSync('sh', ['-ec', lower], { cwd: scratch.file('lower') });
  const words = ['--format=pax', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-c', '.'];
  const tar = execFileSync('tar', words, { cwd: scratch.file('lower'), maxBuffer: 2 ** 30 });
  const files = new Files();
  const layer = files.blob(mediaTypes.layer, tar);
  const config = files.blob(mediaTypes.config, {
    ...{ os: 'linux', architecture: 'amd64', created: '2020-01-01T00:00:00Z' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
  });
  const manifest = files.blob(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [layer],
  });
  await files.layout(manifest).writeDirectory(scratch.file('layout'));
  return `oci:${scratch.file('layout')}`;
}

test(`what OverlayFS shows is what the committed image holds (SEED=${seed} COUNT=${rounds})`, {
  skip,
}, async () => {
  using scratch = new Scratch();
  const root = scratch.file('cache');
  const options = { root, platform: 'linux/amd64' };
  await copy(await createBase(scratch), 'cache:localhost/base:1', options);
  using store = await openStore({ root });
  const [base] = store.findImages('localhost/base:1');
  for (let round = 0; round < rounds; round++) {
    const script = createScript(createRandom(seed + round));
    const where = `SEED=${seed + round} COUNT=1\n${script}\n`;
    const directory = scratch.directory(`overlay-${round}`);
    const words = [
      '--mount',
      '--propagation',
      'private',
      process.execPath,
      child,
      scratch.file('lower'),
      directory,
      script,
    ];
    const seen = JSON.parse(execFileSync('unshare', words, { encoding: 'utf8', maxBuffer: 2 ** 30 })) as Seen;
    const compression = round % 2 === 0 ? 'gzip' : 'zstd';
    const layer = await writeChangesLayer(streamOf(revive(seen)), scratch.file(`layer-${round}`), {
      compression,
    });
    const name = `localhost/committed:${round}`;
    await commitImage({
      store,
      base: base!,
      layer,
      name,
      created: { seconds: 1_600_000_000, nanoseconds: 0 },
    });
    await render(`cache:${name}`, [{ path: scratch.file(`out-${round}/`), format: 'directory' }], options);
    assert.deepEqual(listDirectory(scratch.file(`out-${round}`)), seen.merged, where);
    if (compression === 'zstd') continue;
    await copy(`cache:${name}`, `oci:${scratch.file('umoci')}:r${round}`, options);
    execFileSync(
      'umoci',
      ['raw', 'unpack', '--image', `${scratch.file('umoci')}:r${round}`, scratch.file(`unpacked-${round}`)],
      { stdio: 'ignore' },
    );
    assert.deepEqual(
      maskTimes(listDirectory(scratch.file(`unpacked-${round}`))),
      maskTimes(seen.merged),
      where,
    );
  }
});

/** umoci puts directories' times back by its own rules. */
function maskTimes(listing: readonly string[]): readonly string[] {
  return listing.map(line => line.replace(/^(\S+ directory \S+ \S+) \S+/, '$1 -'));
}

function findObstacle(): string | false {
  const tools = ['tar', 'setfattr', 'getfattr', 'unshare', 'umoci'];
  const missing = requires({ tools, mounts: ['overlay', 'tmpfs'] });
  if (missing !== false) return missing;
  using scratch = new Scratch();
  const probe = 'mount -t tmpfs shale-test "$0" && setfattr -n user.a -v 1 "$0"';
  try {
    execFileSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', probe, scratch.path], {
      stdio: 'ignore',
    });
    return false;
  } catch {
    return 'no mount namespace, or a tmpfs without user xattrs (Linux 6.6)';
  }
}
