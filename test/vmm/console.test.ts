import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsoleTail } from '../../src/vmm/index.ts';

test('the last bytes are kept, whatever the chunks are', () => {
  for (const size of [1, 3, 7, 100]) {
    const tail = new ConsoleTail({ limit: 10 });
    const all = Array.from({ length: 300 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
    for (let at = 0; at < all.length; at += size) tail.append(Buffer.from(all.slice(at, at + size)));
    assert.equal(tail.text, all.slice(-10), `chunks of ${size}`);
  }
});

test('what was appended may change afterwards', () => {
  const tail = new ConsoleTail();
  const chunk = Buffer.from('before');
  tail.append(chunk);
  chunk.fill('x');
  assert.equal(tail.text, 'before');
});

test('listeners hear everything, until they are taken off', () => {
  const tail = new ConsoleTail({ limit: 2 });
  const heard: string[] = [];
  const off = tail.onData(bytes => heard.push(Buffer.from(bytes).toString()));
  tail.append(Buffer.from('one'));
  off();
  tail.append(Buffer.from('two'));
  assert.deepEqual(heard, ['one']);
  assert.equal(tail.text, 'wo');
});

test('a flood stays within the limit', () => {
  const tail = new ConsoleTail();
  for (let turn = 0; turn < 5000; turn += 1) tail.append(Buffer.alloc(1000, 'a'));
  assert.equal(tail.bytes.length, 65536);
});
