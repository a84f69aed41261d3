import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostError, systemError } from '../../src/host/index.ts';
import { explainMount } from '../../src/host/mount-error.ts';

test('a mount that the kernel does not support is unsupported, by whatever errno it says so', () => {
  for (const errno of [15, 19, 38, 95]) {
    const error = explainMount('cannot mount x', systemError('fsconfig', errno), []);
    assert.ok(error instanceof HostError);
    assert.equal(error.code, 'unsupported', String(errno));
  }
});
