/**
 * Numbers that overflow on the way to a size: base-256 beyond 2^53 or below zero, sizes past 2^31 that a bit operator turns
 * negative (modern-tar 0.3.5), sums in sparse maps; and a blank number that is read past its field (CVE-2022-48303, GNU tar).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TarParser } from '../../src/tar/index.ts';
import { archive, base256, block, failure, gnuMagic, parseOne, pax } from '../tar/archive.ts';

test('a base-256 size that is not a safe integer is refused', () => {
  for (const size of [
    2n ** 53n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 1n,
    2n ** 80n,
    -1n,
    -512n,
    -(2n ** 63n),
  ]) {
    const error = failure(archive(block({ name: 'big', size: base256(size, 12) })));
    assert.equal(error.code, 'invalid', `${size}`);
    assert.equal(error.detail.path, 'big');
  }
});

test('a base-256 size of an extended header neither', () => {
  for (const flag of ['x', 'g', 'L', 'K']) {
    assert.equal(failure(archive(block({ flag, size: base256(-1n, 12) }))).code, 'invalid');
    assert.equal(failure(archive(block({ flag, size: base256(2n ** 40n, 12) }))).code, 'exhausted');
  }
});

test('a mark that is neither positive nor negative base-256 is no number', () => {
  for (const first of [0x81, 0xc0, 0xfe]) {
    const size = base256(5n, 12);
    size[0] = first;
    assert.equal(failure(archive(block({ size }))).code, 'corrupt');
  }
});

test('sizes between 2^31 and 2^53 are what they are', () => {
  for (const size of [2n ** 31n, 2n ** 32n, 2n ** 33n + 1n, 2n ** 53n - 1n]) {
    const headers = [
      block({ size: base256(size, 12) }),
      Buffer.concat([pax([['size', String(size)]]), block({})]),
    ];
    for (const header of headers) {
      const seen: number[] = [];
      const nothing = () => {};
      const parser = new TarParser({
        entry: entry => seen.push(entry.size),
        data: nothing,
        hole: nothing,
        end: nothing,
      });
      parser.write(header);
      parser.write(Buffer.alloc(1024));
      assert.deepEqual(seen, [Number(size)]);
      assert.throws(() => parser.finish(), { code: 'corrupt' }, 'the rest of the file is missing');
    }
  }
});

test('a sparse segment whose end overflows is refused', () => {
  const most = 2n ** 53n - 1n;
  const map = Buffer.concat([base256(most, 12), base256(most, 12)]);
  const raw = { 386: map, 483: base256(most, 12) };
  assert.equal(
    failure(archive(block({ flag: 'S', magic: gnuMagic, size: base256(most, 12), raw }))).code,
    'corrupt',
  );
});

test('a field of blanks only is zero, whatever stands behind it', () => {
  const raw = { 136: ' '.repeat(12) };
  assert.equal(parseOne(block({ magic: '', raw })).entry.mtime.seconds, 0);
});
