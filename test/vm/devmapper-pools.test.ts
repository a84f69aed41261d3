/** What is particular to thin pools, and layers of images on them, on a kernel that has device-mapper. */
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, guestTimeout, requiresGuest } from './machine.ts';
import { snapshotTools } from './snapshot-tools.ts';

const programs = snapshotTools.devmapper;
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());

test('devmapper: pools and layers', { skip, timeout: guestTimeout }, context =>
  runInGuest(context, guests, {
    files: ['test/snapshot/devmapper/pool.test.ts', 'test/snapshot/devmapper/layers.test.ts'],
    modules: ['dm_thin_pool', 'loop', 'xfs'],
  }),
);
