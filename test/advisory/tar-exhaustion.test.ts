/**
 * Small archives that ask for much: headers without end (CVE-2022-2879, Go's archive/tar), sparse maps of
 * millions of segments (CVE-2025-58183, the same), a gigantic file that is all hole, records that every entry inherits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TarParser } from '../../src/tar/index.ts';
import { archive, block, entry, failure, gnuMagic, padded, parse, pax } from '../tar/archive.ts';

const nothing = () => {};

test('extended headers without end stop at the limit', () => {
  for (const part of [pax([['comment', 'x'.repeat(60_000)]]), entry({ flag: 'L' }, 'x'.repeat(60_000))]) {
    const parser = new TarParser({ entry: nothing, data: nothing, hole: nothing, end: nothing });
    let count = 0;
    assert.throws(
      () => {
        for (; count < 1000; count += 1) parser.write(part);
      },
      { code: 'exhausted' },
    );
    assert.ok(count < 20, `${count} headers were taken`);
  }
});

test('a map of millions of segments stops at the limit, in each spelling', () => {
  const v1 = pax([
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.realsize', '1'],
  ]);
  assert.equal(failure(archive(v1, entry({}, padded('9999999\n')))).code, 'exhausted');

  const old = block({ flag: 'S', magic: gnuMagic, raw: { 482: '\x01', 483: '00000000000\0' } });
  const more = Buffer.alloc(512);
  for (let at = 0; at < 504; at += 12) more.write('00000000000\0', at, 'latin1');
  more[504] = 1;
  const parser = new TarParser({ entry: nothing, data: nothing, hole: nothing, end: nothing });
  let blocks = 0;
  parser.write(old);
  assert.throws(
    () => {
      for (; blocks < 100_000; blocks += 1) parser.write(more);
    },
    { code: 'exhausted' },
  );
  assert.equal(blocks, Math.floor(262_144 / 21));

  const map = Array.from({ length: 400_000 }, () => '0').join(',');
  const limits = { paxBytes: 10_000_000 };
  assert.equal(
    failureOnce(
      archive(
        pax([
          ['GNU.sparse.size', '0'],
          ['GNU.sparse.map', map],
        ]),
        block({}),
      ),
      limits,
    ),
    'accepted',
  );
  const longer = `${map},${map}`;
  assert.equal(
    failureOnce(
      archive(
        pax([
          ['GNU.sparse.size', '0'],
          ['GNU.sparse.map', longer],
        ]),
        block({}),
      ),
      limits,
    ),
    'exhausted',
  );
});

test('a file of eight pebibytes of nothing is one hole', () => {
  const size = 2 ** 53 - 1;
  const { entries } = parse(
    archive(
      pax([
        ['GNU.sparse.size', String(size)],
        ['GNU.sparse.map', `${size},0`],
      ]),
      block({}),
    ),
    4096,
  );
  assert.deepEqual(entries[0]!.runs, [size]);
});

test('what every later entry would inherit is bounded', () => {
  const xattrs = Array.from({ length: 2000 }, (_, index) => [`SCHILY.xattr.user.${index}`, 'value'] as const);
  assert.equal(failure(archive(pax(xattrs, 'g'), block({}))).code, 'exhausted');
  const headers = xattrs.map(each => pax([each], 'g'));
  assert.equal(failureOnce(archive(...headers, block({}))), 'exhausted');
});

function failureOnce(bytes: Buffer, limits = {}): string {
  try {
    parse(bytes, 65_536, limits);
    return 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
