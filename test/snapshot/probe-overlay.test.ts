import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { unmount } from '../../src/host/index.ts';
import { drivers } from '../../src/snapshot/index.ts';
import { requiresOlderKernel } from '../host/older-kernel.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const skip = requires({ tools: ['mount', 'unshare'], mounts: ['overlay', 'ramfs'] });
const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

test('an overlay that cannot make a directory anew is of no use', { skip }, async () => {
  using scratch = createScratch();
  const root = scratch.at('ramfs');
  mkdirSync(root);
  // It keeps no attributes, as tmpfs keeps no user.* before Linux 6.6: the kernel mounts the overlay, all the same.
  execFileSync('mount', ['-t', 'ramfs', 'ramfs', root]);
  try {
    const support = await drivers.overlayfs.probe({ root });
    assert.ok(!support.usable);
    assert.match(support.hint, /^ramfs may be no fit upper directory: put --root on ext4/);
  } finally {
    unmount(root);
  }
});

test('in a user namespace where the kernel lets nobody mount an overlay, that is said', {
  skip: skip || requiresOlderKernel,
}, () => {
  using scratch = createScratch();
  const program = `
    import { drivers } from ${url('../../src/snapshot/index.ts')};
    import { olderKernel } from ${url('../host/older-kernel.ts')};
    olderKernel('5.11');
    const support = await drivers.overlayfs.probe({ root: ${JSON.stringify(scratch.at('root'))} });
    process.stdout.write(JSON.stringify(support));`;
  const inside = ['--user', '--map-root-user', '--mount', process.execPath, '--input-type=module', '-e'];
  const support = JSON.parse(execFileSync('unshare', [...inside, program], { encoding: 'utf8' }));
  assert.equal(support.usable, false);
  assert.match(support.reason, /EPERM/);
  assert.match(support.hint, /^before Linux 5\.11 .* fuse-overlayfs/);
});
