/** Drivers that this machine's kernel has, too, on Debian's, which is older: Linux 6.1. */
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, guestTimeout, requiresGuest } from './machine.ts';
import { snapshotTools } from './snapshot-tools.ts';

const programs = snapshotTools.directories;
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());

test('overlayfs and btrfs under Linux 6.1', { skip, timeout: guestTimeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/overlayfs.test.ts', 'test/snapshot/btrfs.test.ts'],
    modules: ['overlay', 'btrfs', 'loop'],
    // tmpfs keeps no user.* attributes before Linux 6.6.
    temporary: 2 ** 31,
    environment: { COUNT: '2' },
  }),
);
