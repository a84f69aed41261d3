import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  findMount,
  listMounts,
  makeNode,
  mountFuse,
  readXattrs,
  setXattr,
  unmount,
} from '../../src/host/index.ts';
import { drivers, type Mount, mountAll, Snapshots } from '../../src/snapshot/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createUser, requiresUser } from '../ordinary-user.ts';
import { requires } from '../requirement.ts';

const skip = requires({ tools: ['fuse-overlayfs', 'mount.fuse3'], mounts: ['fuse'] });

/** Runs `work` with an overlay of the program mounted. */
async function within(directory: string, mounts: readonly Mount[], work: (root: string) => void) {
  const place = mkdtempSync(path.join(directory, 'place-'));
  await mountAll(mounts, place);
  try {
    work(place);
  } finally {
    unmount(place);
  }
}

const overlay = (...options: readonly string[]): Mount[] => [
  { type: 'fuse3.fuse-overlayfs', source: 'overlay', options },
];

for (const style of ['devices', 'files'] as const) {
  test(`what the program writes when something is deleted: ${style}`, { skip }, async () => {
    using scratch = createScratch();
    for (const name of ['lower/dir/sub', 'upper', 'work']) mkdirSync(scratch.at(name), { recursive: true });
    for (const name of ['file', 'dir/old']) writeFileSync(scratch.at(`lower/${name}`), 'x');
    const directories = ['lower', 'upper', 'work'].map(name => `${name}dir=${scratch.at(name)}`);
    const variable = 'FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT';
    if (style === 'files') process.env[variable] = '1';
    try {
      await within(scratch.path, overlay(...directories), root => {
        rmSync(path.join(root, 'file'));
        rmSync(path.join(root, 'dir'), { recursive: true });
        mkdirSync(path.join(root, 'dir'));
        assert.deepEqual(readdirSync(root), ['dir']);
      });
    } finally {
      delete process.env[variable];
    }
    const upper = readdirSync(scratch.at('upper')).sort();
    if (style === 'files') {
      assert.ok(upper.includes('.wh.file'), upper.join());
      assert.ok(lstatSync(scratch.at('upper/.wh.file')).isFile());
    } else {
      assert.deepEqual(upper, ['dir', 'file']);
      assert.equal(lstatSync(scratch.at('upper/file')).rdev, 0);
      assert.ok(lstatSync(scratch.at('upper/file')).isCharacterDevice());
    }
    // Both marks at once; ours to read, whichever a version writes.
    const marks = [...readXattrs(scratch.at('upper/dir')).keys()].filter(name => name.endsWith('.opaque'));
    assert.ok(marks.length > 0 || readdirSync(scratch.at('upper/dir')).includes('.wh..wh..opq'));
  });
}

test('every mark that a layer may have says the same to the program', { skip }, async () => {
  using scratch = createScratch();
  const marks: Readonly<Record<string, (directory: string) => void>> = {
    'trusted.overlay': directory => setXattr(directory, 'trusted.overlay.opaque', Buffer.from('y')),
    'user.overlay': directory => setXattr(directory, 'user.overlay.opaque', Buffer.from('y')),
    'user.fuseoverlayfs': directory => setXattr(directory, 'user.fuseoverlayfs.opaque', Buffer.from('y')),
    file: directory => writeFileSync(`${directory}/.wh..wh..opq`, ''),
  };
  for (const name of [...Object.keys(marks), 'merged']) {
    for (const layer of ['lower', 'middle']) mkdirSync(scratch.at(`${layer}/${name}`), { recursive: true });
    writeFileSync(scratch.at(`lower/${name}/old`), '');
    writeFileSync(scratch.at(`middle/${name}/new`), '');
    marks[name]?.(scratch.at(`middle/${name}`));
  }
  for (const name of ['device', 'named', 'kept']) writeFileSync(scratch.at(`lower/${name}`), '');
  makeNode(scratch.at('middle/device'), 'character', 0, 0);
  writeFileSync(scratch.at('middle/.wh.named'), '');
  const view = overlay('ro', `lowerdir=${scratch.at('middle')}:${scratch.at('lower')}`);
  await within(scratch.path, view, root => {
    assert.deepEqual(readdirSync(root).sort(), [...Object.keys(marks), 'kept', 'merged'].sort());
    for (const name of Object.keys(marks))
      assert.deepEqual(readdirSync(path.join(root, name)), ['new'], name);
    assert.deepEqual(readdirSync(path.join(root, 'merged')).sort(), ['new', 'old']);
  });
});

test('what the driver returns is mounted by mount.fuse3, as containerd calls it', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('snapshots');
  await using snapshots = await Snapshots.open(root, await drivers['fuse-overlayfs'].open({ root }));
  await within(scratch.path, await snapshots.prepare('one-active', undefined), place =>
    writeFileSync(path.join(place, 'file'), 'one'),
  );
  await snapshots.commit('one', 'one-active');
  const target = scratch.at('target');
  mkdirSync(target);
  for (const [method, key] of [
    ['prepare', 'active'],
    ['view', 'seen'],
  ] as const) {
    const [mount, ...others] = await snapshots[method](key, 'one');
    assert.deepEqual(others, []);
    const [, type = ''] = /^fuse3\.(.*)$/.exec(mount!.type)!;
    const options = mount!.options.flatMap(option => ['-o', option]);
    execFileSync('mount.fuse3', [mount!.source, target, ...options, '-t', type], { stdio: 'ignore' });
    try {
      assert.equal(findMount(target)?.type, 'fuse.fuse-overlayfs');
      assert.equal(readFileSync(path.join(target, 'file'), 'utf8'), 'one');
      const write = () => writeFileSync(path.join(target, 'written'), '');
      if (method === 'view') assert.throws(write, { code: 'EROFS' });
      else write();
    } finally {
      unmount(target);
    }
  }
});

test('five hundred layers', { skip }, async () => {
  using scratch = createScratch();
  const lowers = Array.from({ length: 500 }, (_, number) => {
    const lower = scratch.at(`${'long-'.repeat(20)}${number}`);
    mkdirSync(lower);
    writeFileSync(`${lower}/own-${number}`, '');
    writeFileSync(`${lower}/shared`, `${number}`);
    return lower;
  });
  await within(scratch.path, overlay('ro', `lowerdir=${lowers.toReversed().join(':')}`), root => {
    assert.equal(readdirSync(root).length, 501);
    assert.equal(readFileSync(path.join(root, 'shared'), 'utf8'), '499');
  });
});

test('a program that fails is quoted, and leaves no mount', { skip }, async () => {
  using scratch = createScratch();
  const target = scratch.at('target');
  mkdirSync(target);
  await assert.rejects(mountAll(overlay(`lowerdir=${scratch.at('nowhere')}`), target), (error: Error) => {
    assert.match(error.message, /^fuse-overlayfs cannot mount .*target: .*(nowhere|lower dirs)/);
    return true;
  });
  const missing = { program: 'shale-no-such-program', options: [], target };
  await assert.rejects(mountFuse(missing), { code: 'not-found', hint: 'install shale-no-such-program' });
  const long = { program: 'fuse-overlayfs', options: [`lowerdir=${'x'.repeat(200_000)}`], target };
  await assert.rejects(mountFuse(long), { code: 'unsupported' });
  assert.deepEqual(
    listMounts().filter(mount => mount.target.startsWith(scratch.path)),
    [],
  );
});

test('a program that was killed leaves a dead mount, which goes as any other', { skip }, async () => {
  using scratch = createScratch();
  for (const name of ['lower', 'place']) mkdirSync(scratch.at(name));
  writeFileSync(scratch.at('lower/file'), 'x');
  const place = scratch.at('place');
  const view = overlay('ro', `lowerdir=${scratch.at('lower')}`);
  using mounted = new DisposableStack();
  mounted.defer(() => {
    if (findMount(place) !== undefined) unmount(place, { lazily: true });
  });
  await mountAll(view, place, { noSuid: true, noDevices: true });
  const words = findMount(place)!;
  assert.ok(
    ['nosuid', 'nodev', 'ro'].every(word => words.attributes.includes(word)),
    words.attributes.join(),
  );
  const pid = readdirSync('/proc').find(name => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(place);
    } catch {
      return false;
    }
  });
  process.kill(Number(pid), 'SIGKILL');
  for (let turn = 0; turn < 500; turn += 1) {
    try {
      readdirSync(place);
    } catch (error) {
      // First, the request that it leaves unanswered fails in another way.
      if ((error as NodeJS.ErrnoException).code === 'ENOTCONN') break;
    }
    await new Promise(next => setTimeout(next, 10));
  }
  unmount(place);
  await mountAll(view, place);
  assert.equal(readFileSync(path.join(place, 'file'), 'utf8'), 'x');
  assert.ok(!findMount(place)!.attributes.includes('nosuid'));
});

test('a place that the program cannot name is refused', { skip }, async () => {
  using scratch = createScratch();
  for (const name of ['a:b', 'a,b', 'a\\b']) {
    const root = scratch.at(name);
    await assert.rejects(drivers['fuse-overlayfs'].open({ root }), { code: 'invalid' });
    const support = await drivers['fuse-overlayfs'].probe({ root });
    assert.ok(!support.usable && support.reason.includes(root));
  }
  assert.deepEqual(readdirSync(scratch.path), []);
});

test('the trial says what is missing, and leaves nothing', { skip: skip || requiresUser() }, async () => {
  using scratch = createScratch();
  assert.deepEqual(await drivers['fuse-overlayfs'].probe({ root: scratch.at('root') }), { usable: true });
  assert.deepEqual(readdirSync(scratch.at('root')), []);
  for (const fuse of [false, true]) {
    using user = createUser({ fuse });
    const program = `import { drivers } from ${JSON.stringify(`${user.repository}/src/snapshot/index.ts`)};
      const root = process.env.HOME + '/trial';
      console.log(JSON.stringify(await drivers['fuse-overlayfs'].probe({ root })));`;
    const node = [user.shale[0], '--input-type=module', '-e', program];
    const { stdout, stderr } = user.run(...user.shale, 'unshare', '--', ...node);
    const expected = fuse
      ? { usable: true }
      : {
          usable: false,
          reason: '/dev/fuse may not be opened',
          hint: 'as root run: chmod 0666 /dev/fuse',
        };
    assert.deepEqual(JSON.parse(stdout || 'null'), expected, stderr);
  }
});
