import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxh32 } from '../../src/erofs/xxh32.ts';

/** From the reference implementation's documentation and its other bindings. */
test('the hash is that of xxHash', () => {
  assert.equal(xxh32('', 0), 0x02cc5d05);
  assert.equal(xxh32('a', 0), 0x550d7456);
  assert.equal(xxh32('abc', 0), 0x32d153ff);
  assert.equal(xxh32('Nobody inspects the spammish repetition', 0), 0xe2293b2f);
});
