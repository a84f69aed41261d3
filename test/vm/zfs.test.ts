/** The zfs driver against the real thing, whose module `test/vm/build-zfs` builds: minutes of work that are done where somebody asks for them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { runInGuest } from './guest-tests.ts';
import { Guests, guestTimeout, requiresGuest } from './machine.ts';
import { snapshotTools } from './snapshot-tools.ts';

const built = process.env.SHALE_TEST_ZFS;
const programs = snapshotTools.common;
const skip =
  requiresGuest(programs) ||
  (built === undefined && 'no ZFS: SHALE_TEST_ZFS names what test/vm/build-zfs has built');
const guests = new Guests(programs, built && path.join(built, 'tree'));
after(() => guests[Symbol.dispose]());

for (const [title, files] of [
  ['zfs: the suite', ['suite']],
  ['zfs: layers', ['real', 'layers']],
] as const) {
  test(title, { skip, timeout: guestTimeout }, async context => {
    const order = readFileSync(path.join(built!, 'modules/order'), 'utf8').trim().split('\n');
    await runInGuest(context, guests, {
      files: files.map(name => `test/snapshot/zfs/${name}.test.ts`),
      modules: ['loop', ...order.map(name => path.join(built!, `modules/${name}.ko`))],
    });
  });
}
