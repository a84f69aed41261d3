import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSourceDateEpoch, findVariable, hostPlatform, parallelism } from '../../src/host/index.ts';

function withEpoch<T>(value: string | undefined, run: () => T): T {
  const before = process.env.SOURCE_DATE_EPOCH;
  const set = (text: string | undefined) => {
    if (text === undefined) delete process.env.SOURCE_DATE_EPOCH;
    else process.env.SOURCE_DATE_EPOCH = text;
  };
  set(value);
  try {
    return run();
  } finally {
    set(before);
  }
}

test('SOURCE_DATE_EPOCH is a number of seconds, or an error', () => {
  assert.equal(withEpoch(undefined, findSourceDateEpoch), undefined);
  assert.equal(withEpoch('', findSourceDateEpoch), undefined);
  assert.deepEqual(withEpoch('0', findSourceDateEpoch), { seconds: 0, nanoseconds: 0 });
  assert.deepEqual(withEpoch('1700000000', findSourceDateEpoch), { seconds: 1_700_000_000, nanoseconds: 0 });
  for (const text of ['yesterday', '1.5', '-1', '0x10', '1e9', ' 1', '99999999999999999'])
    assert.throws(() => withEpoch(text, findSourceDateEpoch), { code: 'invalid' }, text);
});

test('an empty variable is none', () => {
  assert.equal(
    withEpoch('', () => findVariable('SOURCE_DATE_EPOCH')),
    undefined,
  );
  assert.equal(
    withEpoch('5', () => findVariable('SOURCE_DATE_EPOCH')),
    '5',
  );
});

test('the platform is named as images name it', () => {
  const { os, architecture, variant } = hostPlatform();
  if (process.platform === 'linux') assert.equal(os, 'linux');
  if (process.arch === 'x64') assert.deepEqual([architecture, variant], ['amd64', undefined]);
  if (process.arch === 'arm64') assert.deepEqual([architecture, variant], ['arm64', 'v8']);
  assert.ok(parallelism() >= 1);
});
