import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createScratch, type DiskError, recogniseDisk } from '../../../src/zone/disk/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { requires } from '../../requirement.ts';

const skip = requires({ tools: ['mkfs.ext4', 'e2fsck', 'debugfs'] });
const run = (program: string, ...words: string[]) =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

for (const size of [4 * 2 ** 20, 64 * 2 ** 20 + 1, 100 * 2 ** 30]) {
  test(`a scratch disk of ${size} bytes is a clean ext4 without a journal that takes no room`, {
    skip,
  }, async () => {
    using scratch = new Scratch();
    const path = scratch.file('disk');
    await createScratch(path, size);
    run('e2fsck', '-f', '-n', path);
    const stats = statSync(path);
    assert.equal(stats.size, size - (size % 4096));
    assert.equal(stats.mode % 0o1000, 0o600);
    assert.ok(stats.blocks * 512 < 4 * 2 ** 20, `${stats.blocks} blocks`);
    assert.doesNotMatch(run('debugfs', '-R', 'features', path), /has_journal/);
    // What the kernel would otherwise have to fill with zeros, in the background.
    assert.match(run('dumpe2fs', path), /ITABLE_ZEROED/);
    assert.match(run('debugfs', '-R', 'stat /', path), /Mode:\s+0755[\s\S]*User:\s+0\s+Group:\s+0/);
    assert.deepEqual(recogniseDisk(path), { type: 'ext4', readOnly: false, dirty: false });
  });
}

test('the kernel mounts one, and writes to it', {
  skip: requires({ tools: ['mkfs.ext4', 'unshare'], mounts: ['ext4'] }),
}, async context => {
  using scratch = new Scratch();
  const path = scratch.file('disk');
  await createScratch(path, 64 * 2 ** 20);
  mkdirSync(scratch.file('mnt'));
  const script = 'mount -o loop "$0" "$1" && echo hello > "$1/file" && sync && umount "$1"';
  try {
    run('unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, path, scratch.file('mnt'));
  } catch {
    context.skip('no loop devices here');
    return;
  }
  run('e2fsck', '-f', '-n', path);
  assert.equal(run('debugfs', '-R', 'cat /file', path), 'hello\n');
});

test('sizes that cannot be, and names that are taken, are refused', { skip }, async () => {
  using scratch = new Scratch();
  for (const size of [0, -1, 4095, 4 * 2 ** 20 - 1, 2 ** 45, Number.NaN, 1.5]) {
    await assert.rejects(
      createScratch(scratch.file('disk'), size),
      (error: DiskError) => error.code === 'invalid',
    );
  }
  writeFileSync(scratch.file('taken'), 'mine');
  await assert.rejects(
    createScratch(scratch.file('taken'), 2 ** 26),
    (error: DiskError) => error.code === 'exists',
  );
  assert.equal(statSync(scratch.file('taken')).size, 4);
  await assert.rejects(
    createScratch(scratch.file('no', 'where'), 2 ** 26),
    (error: DiskError) => error.code === 'not-found',
  );
});

test('a cancelled one leaves nothing', { skip }, async () => {
  using scratch = new Scratch();
  const path = scratch.file('disk');
  await assert.rejects(
    createScratch(path, 2 ** 26, AbortSignal.abort()),
    (error: DiskError) => error.code === 'cancelled',
  );
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
});
