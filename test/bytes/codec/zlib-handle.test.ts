import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasZlibHandle, ZlibHandle } from '../../../src/bytes/codec/zlib-handle.ts';
import { openLibrary } from '../../../src/bytes/native/library.ts';

test('this Node has the zlib handle that the fast paths are written for', () => {
  assert.equal(
    hasZlibHandle(),
    true,
    'the slower ways still work, but src/bytes/codec/zlib-handle.ts wants a look',
  );
});

test('a failure is kept, not thrown, and a closed handle is refused', () => {
  const handle = new ZlibHandle('inflate');
  handle.write(0, Uint8Array.of(1, 2, 3), 0, 3, new Uint8Array(10), 0, 10);
  assert.equal(handle.failure?.code, 'Z_DATA_ERROR');
  assert.deepEqual([handle.consumed, handle.produced], [0, 0]);
  handle.reset();
  assert.equal(handle.failure, undefined);
  handle.close();
  handle.close();
  assert.throws(() => handle.write(0, new Uint8Array(1), 0, 1, new Uint8Array(1), 0, 1), TypeError);
});

test('a system library that is not there is no error', () => {
  assert.equal(openLibrary('libshale-has-no-such-library.so.0'), undefined);
});
