import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { grpcStatus } from '../../src/daemon/index.ts';
import { asShaleError, describe as describeError, readStatus } from '../../src/daemon/status.ts';
import { errorCodes, ShaleError } from '../../src/error/index.ts';

describe('statuses', () => {
  test('each code has one, by gRPC’s own numbers and names, and none has two', () => {
    assert.deepEqual(Object.keys(grpcStatus).sort(), [...errorCodes].sort());
    for (const { name, number } of Object.values(grpcStatus)) {
      assert.equal(status[name as keyof typeof status], number, name);
    }
    assert.equal(new Set(Object.values(grpcStatus).map(({ number }) => number)).size, errorCodes.length);
  });

  test('there and back a code stays what it was', () => {
    for (const code of errorCodes) {
      const details = describeError(new ShaleError(code, 'words', { hint: 'do this' }));
      const back = readStatus({ code: grpcStatus[code].number, details }, 'containerd');
      assert.ok(back instanceof ShaleError);
      assert.equal(back.code, code);
      assert.equal(back.message, 'containerd: words (do this)');
    }
    const timeout = readStatus({ code: status.DEADLINE_EXCEEDED, details: '' }, 'x') as ShaleError;
    assert.equal(timeout.code, 'cancelled');
  });

  test('what is no error of ours becomes one', () => {
    const missing = Object.assign(new Error('ENOENT: no such file, open'), {
      code: 'ENOENT',
      syscall: 'open',
    });
    assert.equal(asShaleError(missing).code, 'not-found');
    assert.equal(asShaleError(new TypeError('x')).code, 'internal');
    assert.equal(asShaleError('text').message, 'text');
    assert.equal(asShaleError(new DOMException('gone', 'AbortError')).code, 'cancelled');
    assert.equal(readStatus(missing, 'x'), missing);
  });
});
