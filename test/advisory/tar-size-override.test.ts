/**
 * Smuggling by two sizes. A reader that takes an entry's size from the ustar field where a pax record overrides it (or the
 * other way round) finds headers within a file's data: CVE-2025-62518 (TARmageddon), tokio-tar and its forks. The same
 * class: data behind entries that have none.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archive, base256, block, content, entry, padded, parseAll, pax } from '../tar/archive.ts';

const inner = archive(entry({ name: 'smuggled' }, 'evil'));
const paths = (...parts: Buffer[]) => parseAll(archive(...parts)).entries.map(read => read.entry.path);

test('a pax size over a ustar size of zero: the nested archive is content', () => {
  const parts = [
    pax([['size', String(inner.length)]]),
    block({ name: 'outer', size: 0 }),
    padded(inner),
    block({ name: 'last' }),
  ];
  const { entries } = parseAll(archive(...parts));
  assert.deepEqual(
    entries.map(read => read.entry.path),
    ['outer', 'last'],
  );
  assert.deepEqual(content(entries[0]!), inner);
});

test('a pax size of zero over a ustar size: what follows are headers', () => {
  assert.deepEqual(
    paths(pax([['size', '0']]), block({ name: 'outer', size: 512 }), block({ name: 'next' })),
    ['outer', 'next'],
  );
});

test('a pax size does not apply to the extended headers before its entry', () => {
  const long = entry({ flag: 'L' }, 'long name\0');
  const size = String(inner.length);
  assert.deepEqual(paths(pax([['size', size]]), long, block({ name: 'x' }), padded(inner)), ['long name']);
  assert.deepEqual(
    paths(pax([['size', size]], 'g'), pax([['uid', '1']]), block({ name: 'y' }), padded(inner)),
    ['y'],
  );
});

test('a size, in the header or in a record, gives no data to a link, a directory or a device', () => {
  for (const flag of ['1', '2', '3', '4', '5', '6']) {
    const header = block({ name: 'a', flag, size: 512, linkname: 't' });
    assert.deepEqual(paths(pax([['size', '512']]), header, block({ name: 'next' })), ['a', 'next'], flag);
    assert.deepEqual(paths(header, block({ name: 'next' })), ['a', 'next'], flag);
  }
});

test('the padding follows from the size that counts', () => {
  const data = padded('x'.repeat(513));
  assert.deepEqual(
    paths(pax([['size', '513']]), block({ name: 'a', size: base256(1n, 12) }), data, block({ name: 'b' })),
    ['a', 'b'],
  );
});
