import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeEntries,
  decodeIndex,
  encodeEntries,
  encodeIndex,
  type LayerEntry,
  LayerError,
  type LayerFile,
} from '../../src/layer/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { device, dir, fifo, file, link, opq, symlink, wh, xattrs } from './dsl.ts';

const label = xattrs({ 'security.selinux': 'system_u:object_r:usr_t:s0\0', 'user.empty': '' });
const sample: LayerEntry[] = [
  dir(''),
  dir('usr'),
  file('usr/lib/a', { size: Number.MAX_SAFE_INTEGER, uid: 0xffffffff, gid: 128, xattrs: label }),
  file('usr/lib/b', { size: 0, mtime: { seconds: -1, nanoseconds: 999_999_999 }, xattrs: new Map(label) }),
  file('usr/lib/b', { mtime: { seconds: -1, nanoseconds: 999_999_999 }, mode: 0o7777 }),
  file('usr/lib/c', { mtime: { seconds: Number.MIN_SAFE_INTEGER, nanoseconds: 0 } }),
  file('usr/lib/here', { size: 513, offset: 1536 }),
  file('usr/lib/nothing', { size: 0, offset: 3072 }),
  file('usr/lib/holes', {
    size: 2 ** 41,
    offset: 3584,
    segments: [
      { offset: 0, length: 1 },
      { offset: 1, length: 512 },
      { offset: 2 ** 40, length: 2 ** 33 },
    ],
  }),
  file('usr/lib/hole', { size: 1, offset: 4608 + 2 ** 33, segments: [] }),
  file('usr/lib/nowhere'),
  file('usr/lib/far', { offset: 2 ** 52 }),
  file('usr/lib/d', { mtime: { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 0 } }),
  symlink('usr/\xff\x80', '/\xe4'),
  device('dev/null', 'character', 1, 3),
  device('dev/sda', 'block', 0xffffffff, 0xffffffff),
  fifo('run/pipe'),
  link('b', 'usr/lib/a'),
  wh('etc/passwd'),
  opq(''),
  opq('var/lib'),
  file(`${'long/'.repeat(1500)}x`, { xattrs: xattrs({ 'user.big': 'v'.repeat(100_000) }) }),
  file(`${'long/'.repeat(1500)}y`),
];

test('entries survive the codec', () => {
  const bytes = encodeEntries(sample);
  assert.equal(bytes.byteLength, bytes.buffer.byteLength);
  const plain = (entries: readonly LayerEntry[]) =>
    entries.map(entry =>
      'xattrs' in entry
        ? {
            ...entry,
            xattrs: [...entry.xattrs].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
          }
        : entry,
    );
  assert.deepEqual(plain(decodeEntries(bytes)), plain(sample));
  assert.deepEqual(plain(decodeIndex(encodeIndex({ entries: sample })).entries), plain(sample));
  assert.deepEqual(decodeEntries(encodeEntries([])), []);
});

test('places take a byte each where one file follows the other', () => {
  let offset = 0;
  const place = (entry: LayerFile): LayerFile => {
    const placed = { ...entry, offset: offset + 512 };
    offset += 512 + Math.ceil(entry.size / 512) * 512;
    return placed;
  };
  const files = Array.from({ length: 1000 }, (_, index) => file(`f${index}`, { size: 100_000 + index * 77 }));
  const more = encodeEntries(files.map(place)).length - encodeEntries(files).length;
  assert.equal(more, 0, 'files that are nowhere have a byte that says so');
});

test('what no tar can hold is not encoded', () => {
  for (const entries of [
    [file('a', { offset: 511 })],
    [file('a', { offset: 512, size: 513 }), file('b', { offset: 1024 })],
  ]) {
    assert.throws(() => encodeEntries(entries), { name: 'LayerError', code: 'internal' });
  }
});

test('segments that overlap, are empty or beyond the file are corrupt', () => {
  for (const segments of [
    [{ offset: 0, length: 0 }],
    [{ offset: 5, length: 6 }],
    [{ offset: 11, length: 1 }],
  ]) {
    const bytes = encodeEntries([file('a', { size: 10, offset: 512, segments })]);
    assert.throws(() => decodeEntries(bytes), { code: 'corrupt' });
  }
});

test('equal xattrs are one object after decoding', () => {
  const [, , a, b] = decodeEntries(encodeEntries(sample));
  assert.ok(a?.type === 'file' && b?.type === 'file');
  assert.equal(a.xattrs, b.xattrs);
});

test('every cut and any other byte gives entries or a LayerError', () => {
  const bytes = encodeEntries(sample.slice(0, 21));
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => decodeEntries(bytes.subarray(0, length)), { name: 'LayerError', code: 'corrupt' });
  }
  assert.throws(() => decodeEntries(Buffer.concat([bytes, Buffer.alloc(1)])), { code: 'corrupt' });
  for (let at = 0; at < bytes.length; at += 1) {
    for (const bits of [0x01, 0x08, 0x10, 0x80, 0xff]) {
      const changed = bytes.slice();
      changed[at]! ^= bits;
      try {
        decodeEntries(changed);
      } catch (error) {
        assert.ok(error instanceof LayerError, String(error));
        assert.equal(error.code, 'corrupt');
      }
    }
  }
});

test('random bytes never crash the decoder', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  for (let round = 0; round < 3000; round += 1) {
    const bytes = Uint8Array.from({ length: random.integer(200) }, () =>
      random.integer(round % 2 === 0 ? 256 : 16),
    );
    try {
      decodeEntries(bytes);
    } catch (error) {
      assert.ok(error instanceof LayerError, String(error));
    }
  }
});

test('a stored index says when it is damaged or of another version', () => {
  const bytes = encodeIndex({ entries: sample });
  for (const at of [0, 3, 8, 11, 12, bytes.length - 1]) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    assert.throws(() => decodeIndex(changed), { name: 'LayerError', code: 'corrupt' }, `byte ${at}`);
  }
  const other = bytes.slice();
  other[7] = 99;
  assert.throws(() => decodeIndex(other), { code: 'unsupported' });
  assert.throws(() => decodeIndex(bytes.subarray(0, 11)), { code: 'corrupt' });
});
