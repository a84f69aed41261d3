/** The devmapper driver on a kernel that has device-mapper, in a virtual machine. One file for each machine: they run side by side. */
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, guestTimeout, requiresGuest } from './machine.ts';
import { snapshotTools } from './snapshot-tools.ts';

const programs = snapshotTools.devmapper;
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());

test('devmapper: the suite', { skip, timeout: guestTimeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/devmapper/suite.test.ts'],
    modules: ['dm_thin_pool', 'loop'],
  }),
);
