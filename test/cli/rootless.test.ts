import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createScratch } from '../host/scratch.ts';
import { createUser, type OrdinaryUser, requiresUser } from '../ordinary-user.ts';
import { requires } from '../requirement.ts';
import { layer, writeImage } from './fixture.ts';

const drivers = [
  { driver: 'overlayfs', skip: requires({ mounts: ['overlay'] }) },
  { driver: 'fuse-overlayfs', skip: requires({ tools: ['fuse-overlayfs'], mounts: ['fuse'] }) },
  { driver: 'native', skip: false as const },
];

/** Runs Shale as him; what it prints. */
function shale(user: OrdinaryUser, ...words: readonly string[]): string {
  const { status, stdout, stderr } = user.run(...user.shale, ...words);
  assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
  return stdout;
}

/** Owners beyond the user's own, which only subordinate ids can hold. */
const layers = () => [
  layer({
    'etc/': {},
    'etc/old': 'old\n',
    'srv/': { uid: 1000, gid: 1001 },
    'srv/file': { content: 'file\n', uid: 65534, gid: 65534 },
    'var/': {},
    'var/gone': 'gone\n',
  }),
  layer({ 'etc/.wh.old': '', 'etc/new': 'new\n', 'var/': {}, 'var/.wh..wh..opq': '', 'var/here': 'here\n' }),
];

for (const { driver, skip } of drivers) {
  test(`as an ordinary user: mount, change, commit, unmount, with ${driver}`, {
    skip: skip || requiresUser('umoci', 'tar'),
  }, async () => {
    using scratch = createScratch();
    using user = createUser();
    const place = path.join(user.home, 'place');
    mkdirSync(place);
    const source = await writeImage(path.join(user.home, 'image'), layers());
    shale(user, 'copy', source, 'cache:base:1');
    shale(user, 'mount', '--driver', driver, 'cache:base:1', 'place');
    const inside = (script: string) => shale(user, 'unshare', '--', 'sh', '-euc', script);
    assert.equal(user.run('ls', '-A', place).stdout, '', 'nothing is mounted outside of the namespace');
    const list = inside('cd place && find . -mindepth 1 -printf "%P %U:%G %y\\n" | sort');
    assert.equal(
      list,
      [
        ...['etc 0:0 d', 'etc/new 0:0 f', 'srv 1000:1001 d', 'srv/file 65534:65534 f'],
        ...['var 0:0 d', 'var/here 0:0 f', ''],
      ].join('\n'),
    );
    assert.deepEqual(
      JSON.parse(shale(user, 'mount', '--json')).mounts.map(({ target, state }: Record<string, string>) => [
        target,
        state,
      ]),
      [[place, 'mounted']],
    );
    inside('cd place && rm srv/file && echo mine > etc/mine && chown 33:44 etc/mine && chmod 4755 etc/mine');
    const changes = shale(user, 'diff', 'place').split('\n').filter(Boolean).sort();
    assert.deepEqual(
      changes.filter(line => line !== 'C /'),
      ['A /etc/mine', 'C /etc', 'C /srv', 'D /srv/file'],
    );
    shale(user, 'commit', 'place', 'app:1');
    shale(user, 'copy', 'cache:app:1', 'oci:copied:app');
    const unpacked = scratch.at('unpacked');
    execFileSync('umoci', ['unpack', '--image', path.join(user.home, 'copied:app'), unpacked], {
      stdio: 'ignore',
    });
    const mine = statSync(path.join(unpacked, 'rootfs/etc/mine'));
    assert.deepEqual([mine.uid, mine.gid, mine.mode % 0o10000], [33, 44, 0o4755]);
    assert.equal(statSync(path.join(unpacked, 'rootfs/srv')).uid, 1000);
    assert.throws(() => statSync(path.join(unpacked, 'rootfs/srv/file')), { code: 'ENOENT' });
    shale(user, 'umount', '--discard', 'place');
    assert.equal(inside('ls -A place'), '');
    // What others own is removed, too.
    const names = shale(user, 'snapshot', 'ls', '--quiet').trim().split('\n');
    assert.equal(names.length, 2);
    for (const name of names.toReversed()) shale(user, 'snapshot', 'rm', name);
    assert.equal(shale(user, 'snapshot', 'ls', '--quiet'), '');
  });
}

test('without subordinate ids a mount is refused with what to do, and the cache works as ever', {
  skip: requiresUser(),
}, async () => {
  using user = createUser({ subordinate: '' });
  mkdirSync(path.join(user.home, 'place'));
  const source = await writeImage(path.join(user.home, 'image'), layers());
  const refused = user.run(...user.shale, 'mount', source, 'place');
  assert.equal(refused.status, 9);
  assert.match(refused.stderr, /no subordinate user ids\n {2}add the line shale-test:100000:65536 to/);
  shale(user, 'copy', source, 'cache:base:1');
  assert.equal(shale(user, 'mount', '--quiet'), '');
  shale(user, 'gc');
});
