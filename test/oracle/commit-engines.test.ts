/**
 * A committed image is what was in the container: an image is mounted, changed in every way that a container changes things, committed and pushed; what
 * docker, podman, and skopeo with umoci have after pulling it is what was seen in the mount.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listMounts, unmount } from '../../src/host/index.ts';
import { listDisk } from '../disk.ts';
import { layoutOf } from '../engine/image.ts';
import { createScratch } from '../host/scratch.ts';
import type { Listing } from '../model/listing.ts';
import { createUser, type OrdinaryUser, requiresUser } from '../ordinary-user.ts';
import { Cache } from '../registry/cache.ts';
import { pushImage, skopeo } from '../registry/image.ts';
import { type RealRegistry, realRegistry, startRegistry } from '../registry/real.ts';
import { requires } from '../requirement.ts';
import { listPulledByDocker, podmanWords, startDocker } from './engines.ts';

const tools = [...realRegistry.tools, 'tar', 'setfattr', 'python3'];
const skip = requires({ tools, mounts: ['overlay'] });

/** The image, of two layers, as shell commands; `$1` is where. */
const lower = `
mkdir -p "$1"/one "$1"/two/etc; cd "$1"/one; umask 022
mkdir -p bin etc/conf.d usr/lib/deep/er var/log var/cache/a/b tmp srv/swap srv/flat opaque/inner same
echo sh > bin/sh; chmod 4755 bin/sh; ln bin/sh bin/bash; ln bin/sh bin/dash; ln -s sh bin/ash
for i in 1 2 3 4 5 6; do echo "conf $i" > etc/conf.d/$i; head -c $((i * 7000)) /dev/zero > usr/lib/deep/$i; done
echo one > usr/lib/deep/er/one; echo two > opaque/inner/two; echo three > opaque/three; echo flat > srv/flat/file
echo file > srv/file; ln -s ../usr/lib etc/lib; ln -s none var/dangling; mkfifo var/pipe; chmod 1777 tmp
chown 33:44 var/log; setfattr -n user.kept -v yes etc/conf.d/1; setfattr -n user.gone -v yes etc/conf.d/2
echo same > same/content; echo same > same/time; echo same > same/touched; echo x > var/cache/a/b/x
find . -depth -exec touch -h -d @1500000000.25 {} +
cd ../two; echo two > etc/two; touch -d @1600000000 etc/two etc
for n in one two; do tar --format=pax --xattrs --numeric-owner -C "$1"/$n -cf "$1"/$n.tar .; done
`;

/** What happens in the container. */
const changes = `
umask 022
echo new > new; mkdir -p made/deep/er; echo in > made/deep/er/in; : > made/empty; mkdir made/hollow
echo more >> etc/conf.d/1; rm etc/conf.d/3 bin/ash; rm -r var/cache/a
rm -r srv/swap; echo was a directory > srv/swap; rm srv/file; mkdir srv/file; echo in > srv/file/in
rm -r srv/flat; ln -s ../etc srv/flat; rm etc/lib; mkdir etc/lib
rm -r opaque; mkdir -m 0711 opaque; echo only > opaque/only
echo changed > bin/sh; ln new made/new; ln etc/conf.d/4 etc/conf.d/four; ln -s /etc/passwd made/absolute
ln -s ../../.. made/up; mkfifo -m 0640 made/pipe; cp usr/lib/deep/6 made/setuid; chmod 6755 made/setuid
cp bin/dash made/ping; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 made/ping
setfattr -n user.note -v 'with = and
a line' made/deep; setfattr -x user.gone etc/conf.d/2; setfattr -n user.kept -v no etc/conf.d/1
truncate -s 30M made/sparse; printf x | dd of=made/sparse bs=1 seek=20000000 conv=notrunc status=none
head -c 12000000 /dev/urandom > made/large
printf bytes > "$(printf 'made/caf\\351')"; ln -s "$(printf 'caf\\351')" "$(printf 'made/to \\377')"
printf text > "$(printf 'made/a\\tb\\nc \\\\ d')"; : > 'made/.white'; mkdir -p made/$(printf 'n%0120d' 1)/$(printf 'm%0120d' 2)
chown 1000:1001 usr/lib/deep/1; chown -h 12:34 bin; chmod 0600 usr/lib/deep/2; chmod 0700 var/log
mv usr/lib/deep/er usr/lib/moved; mv usr/lib/deep/3 usr/lib/deep/drei
touch -d @1234567890.123456789 usr/lib/deep/4; touch -h -d @1234567891.5 var/dangling
echo same > same/content; touch -d @1500000000.25 same/content; touch same/touched
chmod 0751 .; touch -d @1700000000.987654321 made/deep .
`;

/** What takes root of the machine itself. */
const rootChanges = `
mknod made/null c 1 3; mknod -m 0660 made/disk b 8 300; chown 0:6 made/disk; setfattr -n trusted.mark -v yes made/empty
`;

/** Sockets are in no archive, and so in no layer: the commit warns, and goes on. */
const socket = `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("made/socket")'`;

const withoutSockets = (listing: Listing) => listing.filter(line => line.split(' ')[1] !== 'socket');

describe('what root has committed', { skip }, () => {
  let stack: AsyncDisposableStack;
  let registry: RealRegistry;
  let reference: string;
  let seen: Listing;
  let scratch: ReturnType<typeof createScratch>;

  before(async () => {
    stack = new AsyncDisposableStack();
    scratch = stack.use(createScratch());
    registry = stack.use(await startRegistry());
    const base = await pushBase(registry, scratch.at('base'));
    reference = `${registry.host}/team/committed:1`;
    const cache = stack.use(new Cache());
    const place = scratch.at('place');
    mkdirSync(place);
    stack.defer(() => unmountBelow(cache.file()));
    stack.defer(() => unmountBelow(scratch.path));
    await cache.ok(['mount', base, place]);
    execFileSync('sh', ['-euc', changes + rootChanges + socket], { cwd: place });
    seen = listDisk(place);
    const said = await cache.ok(['commit', place, reference]);
    assert.match(said.stderr, /made\/socket/, 'what is not in the image is told');
    await cache.ok(['push', reference]);
    await cache.ok(['umount', '--discard', place]);
    seen = withoutSockets(seen);
  });
  after(async () => await stack.disposeAsync());

  test('docker has it', {
    skip: requires({ tools: ['dockerd', 'containerd', 'runc'], root: true }),
  }, async t => {
    const docker = await startDocker(scratch.at('docker'));
    if ('obstacle' in docker) return t.skip(`dockerd does not run here: ${docker.obstacle}`);
    await using _ = docker;
    const listing = await listPulledByDocker(docker, reference, scratch.at('docker-place'));
    assertSame(withoutRoot(listing), withoutRoot(seen));
  });

  test('podman has it', { skip: requires({ tools: ['podman'], root: true }) }, () => {
    const podman = (...words: string[]) => {
      const [program, ...rest] = [...podmanWords(scratch.path), ...words];
      return execFileSync(program!, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    };
    podman('pull', '--quiet', '--tls-verify=false', reference);
    const place = podman('image', 'mount', reference);
    try {
      assertSame(withoutRoot(listDisk(place)), withoutRoot(seen));
    } finally {
      podman('image', 'unmount', reference);
    }
  });

  test('skopeo and umoci have it', { skip: requires({ tools: ['umoci'], root: true }) }, async () => {
    await unpackWithUmoci(reference, scratch.at('layout'), scratch.at('unpacked'));
    assertSame(maskTimes(listDisk(scratch.at('unpacked'))), maskTimes(seen));
  });
});

describe('what an ordinary user has committed', { skip: skip || requiresUser() }, () => {
  let stack: AsyncDisposableStack;
  let registry: RealRegistry;
  let user: OrdinaryUser;
  let reference: string;
  let seen: Listing;
  let scratch: ReturnType<typeof createScratch>;

  const run = (...words: readonly string[]): string => {
    const { status, stdout, stderr } = user.run(...words);
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const shale = (...words: readonly string[]) => run(...user.shale, ...words);
  const lister = () => [user.shale[0], path.join(user.repository, 'test/oracle/list-child.ts')];

  before(async () => {
    stack = new AsyncDisposableStack();
    scratch = stack.use(createScratch());
    registry = stack.use(await startRegistry());
    user = stack.use(createUser({ environment: { XDG_RUNTIME_DIR: '' } }));
    const base = await pushBase(registry, scratch.at('base'));
    reference = `${registry.host}/team/committed:1`;
    mkdirSync(path.join(user.home, 'place'));
    shale('mount', base, 'place');
    shale('unshare', '--', 'sh', '-euc', `cd place\n${changes}`);
    const listing: Listing = JSON.parse(shale('unshare', '--', ...lister(), path.join(user.home, 'place')));
    seen = listing.map(withLink);
    shale('commit', 'place', reference);
    shale('push', reference);
    shale('umount', '--discard', 'place');
  });
  after(async () => await stack.disposeAsync());

  test('skopeo and umoci have it, as root', { skip: requires({ tools: ['umoci'] }) }, async () => {
    await unpackWithUmoci(reference, scratch.at('layout'), scratch.at('unpacked'));
    assertSame(maskTimes(listDisk(scratch.at('unpacked'))), maskTimes(seen));
  });

  test('podman has it, as that user', { skip: requires({ tools: ['podman', 'fuse-overlayfs'] }) }, () => {
    const podman = podmanWords(user.home);
    run(...podman, 'pull', '--quiet', '--tls-verify=false', reference);
    const script = 'place=$("$@" image mount "$reference"); exec $lister "$place"';
    const listing = run(
      ...['env', `reference=${reference}`, `lister=${lister().join(' ')}`],
      ...[...podman, 'unshare', 'sh', '-euc', script, 'sh', ...podman],
    );
    assertSame(withoutRoot(JSON.parse(listing)), withoutRoot(seen));
  });

  test('skopeo and umoci --rootless have it, as that user', { skip: requires({ tools: ['umoci'] }) }, () => {
    const source = ['--src-tls-verify=false', `docker://${reference}`];
    run('skopeo', 'copy', '-q', '--insecure-policy', ...source, 'oci:layout:it');
    run('umoci', 'raw', 'unpack', '--rootless', '--image', 'layout:it', 'unpacked');
    const listing: Listing = JSON.parse(run(...lister(), path.join(user.home, 'unpacked')));
    assertSame(maskRootless(maskTimes(listing)), maskRootless(maskTimes(seen)));
  });
});

/** An image of `lower`, in the registry; its reference. */
async function pushBase(registry: RealRegistry, directory: string): Promise<string> {
  execFileSync('sh', ['-euc', lower, 'sh', directory]);
  const tars = ['one.tar', 'two.tar'].map(name => readFileSync(path.join(directory, name)));
  return await pushImage(registry, 'team/base:1', layoutOf(tars));
}

async function unpackWithUmoci(reference: string, layout: string, target: string): Promise<void> {
  await skopeo('copy', '-q', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:it`);
  execFileSync('umoci', ['raw', 'unpack', '--image', `${layout}:it`, target], { stdio: 'pipe' });
}

/** Docker and podman skip a layer's entry of the root: in them it is always as they make it. */
function withoutRoot(listing: Listing): Listing {
  return listing.filter(line => !line.startsWith('/ '));
}

/** Without ids of his own, all is that user's (what it should be, umoci notes in an xattr), and he may give no capabilities. */
function maskRootless(listing: Listing): Listing {
  return listing.map(line =>
    line
      .replace(/ (directory|file|symlink|fifo) (\d+) \d+:\d+ /, ' $1 $2 - ')
      .replace(/ (security\.capability|user\.rootlesscontainers)=[0-9a-f]*/g, ''),
  );
}

/**
 * A lower file that has got another name shows two inode numbers where OverlayFS may not write down whence a file was copied (`userxattr`), though it is one
 * file, of two links.
 */
function withLink(line: string): string {
  return /^\/etc\/conf\.d\/(4|four) /.test(line) ? `${line} names /etc/conf.d/4 /etc/conf.d/four` : line;
}

/** umoci puts directories' times back by its own rules. */
function maskTimes(listing: Listing): Listing {
  return listing.map(line => line.replace(/ (directory \d+ \d+:\d+) \S+/, ' $1 -'));
}

/** As deepEqual, but tells only the lines that differ. */
function assertSame(found: Listing, wanted: Listing): void {
  const [there, expected] = [new Set(found), new Set(wanted)];
  assert.deepEqual(
    { more: found.filter(line => !expected.has(line)), less: wanted.filter(line => !there.has(line)) },
    { more: [], less: [] },
  );
  assert.ok(wanted.length > 60, 'too little to compare');
}

function unmountBelow(directory: string): void {
  for (const { target } of listMounts().reverse()) {
    if (target.startsWith(`${directory}/`)) unmount(target, { lazily: true });
  }
}
