/** Drivers that keep layers as files, on Debian's kernel: Linux 6.1 mounts no file but through a loop device, and has fs-verity. */
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, guestTimeout, requiresGuest } from './machine.ts';
import { snapshotTools } from './snapshot-tools.ts';

const programs = snapshotTools.directories;
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());

test('erofs and squashfs under Linux 6.1', { skip, timeout: guestTimeout }, context =>
  runInGuest(context, guests, {
    files: [
      'test/snapshot/fs-verity.test.ts',
      'test/snapshot/erofs.test.ts',
      'test/snapshot/squashfs.test.ts',
    ],
    modules: ['overlay', 'erofs', 'squashfs', 'loop'],
    // tmpfs keeps no user.* attributes before Linux 6.6.
    temporary: 2 ** 31,
    environment: { COUNT: '2' },
  }),
);
