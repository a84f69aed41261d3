/** The snapshot drivers that need what this machine's kernel may lack, and others on one that is older: in a virtual machine. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { type GuestRun, Guests, requiresGuest } from './machine.ts';

const programs = [
  ...['dmsetup', 'thin_check', 'thin_ls', 'thin_delta', 'mkfs.ext4', 'mkfs.xfs', 'mkfs.btrfs'],
  ...['mount', 'umount', 'losetup', 'blkdiscard', 'modprobe', 'sync', 'mv', 'truncate'],
];
const skip = requiresGuest(programs);
const guests = new Guests(programs);
after(() => guests[Symbol.dispose]());

/** The guest's tests, as if they were ours. */
async function runInGuest(context: TestContext, run: GuestRun): Promise<void> {
  const output = await guests.run(run);
  for (const { file, status, tests, text } of output.files) {
    for (const { name, skipped, failure } of tests) {
      await context.test(name, { skip: skipped ?? false }, () => {
        if (failure !== undefined) assert.fail(`${file}, in the guest: ${failure}`);
      });
    }
    await context.test(`${file} ran to its end`, () => {
      assert.ok(tests.length > 0, text);
      assert.ok(status !== undefined, `the machine ended before: ${text}${output.console}`);
      assert.ok(status === 0 || tests.some(({ passed }) => !passed), `status ${status}: ${text}`);
    });
  }
  assert.ok(output.complete, `the machine ended before: ${output.console}`);
}

test('devmapper', { skip, timeout: 280_000 }, context =>
  runInGuest(context, {
    files: ['test/snapshot/devmapper/suite.test.ts'],
    modules: ['dm_thin_pool', 'loop', 'xfs'],
  }),
);
