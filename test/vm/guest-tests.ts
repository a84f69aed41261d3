import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { GuestRun, Guests } from './machine.ts';

/** Runs files of tests in a guest; their tests are then subtests of this one, skipped or failed as they were there. */
export async function runInGuest(context: TestContext, guests: Guests, run: GuestRun): Promise<void> {
  const output = await guests.run(run);
  for (const { file, status, tests, text } of output.files) {
    for (const { name, skipped, failure } of tests) {
      await context.test(name, { skip: skipped ?? false }, () => {
        if (failure !== undefined) assert.fail(`${file}, in the guest: ${failure}`);
      });
    }
    await context.test(`${file} ran to its end`, () => {
      assert.ok(status !== undefined, `the machine ended before: ${text}${output.console}`);
      assert.ok(tests.length > 0, `it has no tests: ${text}`);
      assert.ok(status === 0 || tests.some(({ passed }) => !passed), `status ${status}: ${text}`);
    });
  }
  assert.ok(output.complete, `the machine ended before: ${output.console}`);
}
