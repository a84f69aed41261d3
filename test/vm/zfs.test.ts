/** The zfs driver against the real thing, whose module `test/vm/build-zfs` builds: minutes of work that are done where somebody asks for them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, requiresGuest } from './machine.ts';

const built = process.env.SHALE_TEST_ZFS;
const programs = [
  'mount',
  'umount',
  'losetup',
  'sync',
  'mv',
  'truncate',
  'getfattr',
  'setfattr',
  'xargs',
  'tar',
];
const skip =
  requiresGuest(programs) ||
  (built === undefined && 'no ZFS: SHALE_TEST_ZFS names what test/vm/build-zfs has built');
const guests = new Guests(programs, built && path.join(built, 'tree'));
after(() => guests[Symbol.dispose]());

test('zfs: the suite', { skip, timeout: 290_000 }, async context => {
  const order = readFileSync(path.join(built!, 'modules/order'), 'utf8').trim().split('\n');
  await runInGuest(context, guests, {
    files: ['test/snapshot/zfs/suite.test.ts'],
    modules: ['loop', ...order.map(name => path.join(built!, `modules/${name}.ko`))],
    seconds: 240,
  });
});
