import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  i16,
  octets,
  StructError,
  struct,
  u8,
  u16,
  u32,
  u32OrNone,
  u64,
  u64OrNone,
} from '../../src/bytes/struct.ts';

const pair = struct({ first: u8, second: u16 });
const sample = struct({
  magic: u32,
  kind: u16,
  delta: i16,
  size: u64,

  pair,
  label: octets(3),
});

test('fields lie packed, little endian, in the order in which they are written down', () => {
  assert.equal(sample.size, 22);
  assert.deepEqual(sample.offsets, { magic: 0, kind: 4, delta: 6, size: 8, pair: 16, label: 19 });
  const bytes = new Uint8Array(24).fill(0xee);
  const value = {
    magic: 0xf1e2d3c4,
    kind: 0xabcd,
    delta: -2,
    size: 0x1234567890abc,
    pair: { first: 7, second: 0x102 },
    label: new Uint8Array([1, 2, 3]),
  };
  sample.write(bytes, 1, value);
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    `ee${'c4d3e2f1'}${'cdab'}${'feff'}${'bc0a896745230100'}${'07'}${'0201'}${'010203'}ee`,
  );
  assert.deepEqual(sample.read(bytes, 1), value);
});

test('every integer agrees with DataView at its limits', () => {
  const view = new DataView(new ArrayBuffer(8));
  const bytes = new Uint8Array(view.buffer);
  for (const value of [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]) {
    if (value <= 0xffff) {
      u16.write(bytes, 0, value);
      assert.equal(view.getUint16(0, true), value);
      assert.equal(u16.read(bytes, 0), value);
      assert.equal(i16.read(bytes, 0), view.getInt16(0, true));
    }
    u32.write(bytes, 0, value);
    assert.equal(view.getUint32(0, true), value);
    assert.equal(u32.read(bytes, 0), value);
  }
  for (const value of [-0x8000, -1, 0x7fff]) {
    i16.write(bytes, 0, value);
    assert.equal(view.getInt16(0, true), value);
  }
  for (const value of [0, 2 ** 31, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]) {
    u64.write(bytes, 0, value);
    assert.equal(view.getBigUint64(0, true), BigInt(value));
    assert.equal(u64.read(bytes, 0), value);
  }
});

test('all bits set can mean that there is none', () => {
  const bytes = new Uint8Array(8);
  u64OrNone.write(bytes, 0, undefined);
  assert.deepEqual([...bytes], Array(8).fill(0xff));
  assert.equal(u64OrNone.read(bytes, 0), undefined);
  assert.equal(u32OrNone.read(bytes, 0), undefined);
  u32OrNone.write(bytes, 0, 5);
  assert.equal(u32OrNone.read(bytes, 0), 5);
  u32OrNone.write(bytes, 0, undefined);
  assert.equal(u32.read(bytes, 0), 0xffffffff);
  u64OrNone.write(bytes, 0, 9);
  assert.equal(u64OrNone.read(bytes, 0), 9);
});

test('a value that does not fit is an error that names its field, never cut off', () => {
  const bytes = new Uint8Array(22);
  const value = {
    magic: 0,
    kind: 0,
    delta: 0,
    size: 0,
    pair: { first: 0, second: 0 },
    label: new Uint8Array(3),
  };
  const wrong: [string, object][] = [
    ['magic', { magic: 2 ** 32 }],
    ['kind', { kind: -1 }],
    ['kind', { kind: 1.5 }],
    ['kind', { kind: Number.NaN }],
    ['delta', { delta: 0x8000 }],
    ['size', { size: 2 ** 53 }],
    ['pair.second', { pair: { first: 0, second: 0x10000 } }],
    ['label', { label: new Uint8Array(4) }],
  ];
  for (const [field, change] of wrong) {
    assert.throws(
      () => sample.write(bytes, 0, { ...value, ...change }),
      (error: unknown) =>
        error instanceof StructError && error.code === 'invalid' && error.detail.field === field,
      field,
    );
  }
  assert.throws(() => u32OrNone.write(bytes, 0, 0xffffffff), { code: 'invalid' });
});

test('bytes that end too early, and numbers beyond 2^53, are corrupt', () => {
  assert.throws(() => sample.read(new Uint8Array(21), 0), { code: 'corrupt' });
  assert.throws(() => sample.read(new Uint8Array(22), 1), { code: 'corrupt' });
  assert.throws(() => sample.read(new Uint8Array(30), -1), { code: 'corrupt' });
  const large = new Uint8Array(22);
  large[14] = 0x20;
  assert.throws(() => sample.read(large, 0), { code: 'corrupt', message: /size.*2\^53/ });
});
