/** The snapshot drivers that need what this machine's kernel may lack, and others on a kernel that is older: in a virtual machine. */
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, requiresGuest } from './machine.ts';

const programs = [
  ...['dmsetup', 'thin_check', 'thin_ls', 'thin_delta', 'mkfs.ext4', 'mkfs.xfs', 'mkfs.btrfs', 'dd'],
  ...[
    'mount',
    'umount',
    'losetup',
    'blkdiscard',
    'modprobe',
    'sync',
    'mv',
    'truncate',
    'getfattr',
    'setfattr',
    'xargs',
    'tar',
  ],
];
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());
const timeout = 290_000;

test('devmapper: the suite', { skip, timeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/devmapper/suite.test.ts'],
    modules: ['dm_thin_pool', 'loop'],
    seconds: 240,
  }),
);

test('devmapper: pools', { skip, timeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/devmapper/pool.test.ts'],
    modules: ['dm_thin_pool', 'loop', 'xfs'],
    seconds: 240,
  }),
);

test('overlayfs and btrfs, under Linux 6.1', { skip, timeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/overlayfs.test.ts', 'test/snapshot/btrfs.test.ts'],
    modules: ['overlay', 'btrfs', 'loop'],
  }),
);
