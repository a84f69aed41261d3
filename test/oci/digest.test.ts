import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestAlgorithm, digestHex, parseDigest } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

const hex = (digits: number) => '0123456789abcdef'.repeat(8).slice(0, digits);

test('digests of the three registered algorithms are taken apart', () => {
  for (const [algorithm, digits] of [
    ['sha256', 64],
    ['sha384', 96],
    ['sha512', 128],
  ] as const) {
    const digest = parseDigest(`${algorithm}:${hex(digits)}`);
    assert.equal(digestAlgorithm(digest), algorithm);
    assert.equal(digestHex(digest), hex(digits));
  }
});

test('everything else is refused, above all what could leave a directory', () => {
  const wrong = [
    '',
    'sha256',
    'sha256:',
    `:${hex(64)}`,
    hex(64),
    `sha256:${hex(63)}`,
    `sha256:${hex(65)}`,
    `sha512:${hex(64)}`,
    `sha256:${hex(64).toUpperCase()}`,
    `SHA256:${hex(64)}`,
    `md5:${hex(32)}`,
    `sha1:${hex(40)}`,
    `constructor:${hex(64)}`,
    'sha256:../../../../etc/passwd',
    `../sha256:${hex(64)}`,
    `sha256:${hex(64)}\n`,
    ` sha256:${hex(64)}`,
    `sha256:${hex(61)}/..`,
    `sha256:${hex(63)}\0`,
  ];
  for (const text of wrong)
    assert.throws(() => parseDigest(text), shaleError('invalid'), JSON.stringify(text));
});

test('a hostile digest is shown harmlessly', () => {
  assert.throws(
    () => parseDigest('\x1b[2Jsha256:x', 'index.json'),
    shaleError('invalid', /^index\.json: invalid digest "\\x1b\[2Jsha256:x"/),
  );
});
