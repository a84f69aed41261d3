import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostError } from '../../src/host/index.ts';
import { FallbackLowers, type LowerDirectories } from '../../src/snapshot/driver/image/index.ts';

/** Shows everything in one directory, or fails. */
function lowers(name: string, failure?: Error): LowerDirectories & { calls: number } {
  return {
    calls: 0,
    async show() {
      this.calls += 1;
      if (failure !== undefined) throw failure;
      return [name];
    },
    places: () => [name],
    ownPlaces: () => [name],
    forget() {},
  };
}

test('what the kernel does not know is shown in the other way, and not tried again', async () => {
  for (const [code, errno] of [
    ['unsupported', 'ENODEV'],
    ['invalid', 'EINVAL'],
  ] as const) {
    const first = lowers('first', new HostError(code, 'no', { detail: { errno } }));
    const both = new FallbackLowers(first, lowers('second'));
    assert.deepEqual(await both.show([2, 1]), ['second']);
    assert.deepEqual(await both.show([2, 1]), ['second']);
    assert.equal(first.calls, 1);
    assert.deepEqual(both.places([2, 1]), ['first', 'second']);
  }
});

test('any other failure is one', async () => {
  const failure = new HostError('corrupt', 'bad', { detail: { errno: 'EUCLEAN' } });
  const both = new FallbackLowers(lowers('first', failure), lowers('second'));
  await assert.rejects(both.show([1]), failure);
  assert.deepEqual(await new FallbackLowers(lowers('first'), lowers('second')).show([1]), ['first']);
});
