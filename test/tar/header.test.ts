/** What one header block says: numbers, checksums, dialects, types. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  archive,
  base256,
  block,
  entry,
  failure,
  gnuMagic,
  parseAll,
  parseOne,
  ustarMagic,
} from './archive.ts';

describe('numbers', () => {
  for (const [spelling, value] of [
    ['0000755\0', 0o755],
    ['    755\0', 0o755],
    ['   755 \0', 0o755],
    ['755\0\0\0\0\0', 0o755],
    ['00000755', 0o755],
    ['\0\0 755 \0', 0o755],
    ['755\0 9x', 0o755],
    ['        ', 0],
    ['\0\0\0\0\0\0\0\0', 0],
  ] as const) {
    test(`octal ${JSON.stringify(spelling)}`, () => {
      assert.equal(parseOne(block({ uid: spelling })).entry.uid, value);
    });
  }

  for (const spelling of [
    '0000758\0',
    '75x\0',
    '-755\0',
    '75 5\0',
    '0x1ff\0',
    '+755\0',
    '7.5\0',
    '\x81\0\0\0\0\0\0\0',
  ]) {
    test(`no number: ${JSON.stringify(spelling)}`, () => {
      const error = failure(archive(block({ name: 'a', uid: spelling })));
      assert.equal(error.code, 'corrupt');
      assert.deepEqual(error.detail, { field: 'uid', offset: 0, path: 'a' });
    });
  }

  test('base-256, positive and negative', () => {
    const { entry: read } = parseOne(
      block({ magic: gnuMagic, uid: base256(0xffff_ffffn, 8), mtime: base256(-123_456_789_012n, 12) }),
    );
    assert.equal(read.uid, 4_294_967_295);
    assert.deepEqual(read.mtime, { seconds: -123_456_789_012, nanoseconds: 0 });
    for (const seconds of [-1n, 0n, BigInt(Number.MAX_SAFE_INTEGER), BigInt(Number.MIN_SAFE_INTEGER)]) {
      const { mtime } = parseOne(block({ mtime: base256(seconds, 12) })).entry;
      assert.equal(BigInt(mtime.seconds), seconds);
      assert.ok(!Object.is(mtime.seconds, -0));
    }
  });

  test('a time beyond the safe integers is refused, not rounded', () => {
    for (const seconds of [2n ** 53n, -(2n ** 53n), 2n ** 63n, -(2n ** 70n)]) {
      assert.equal(failure(archive(block({ mtime: base256(seconds, 12) }))).code, 'invalid');
    }
  });

  test('negative where there is no such thing', () => {
    for (const field of ['uid', 'gid', 'mode'] as const) {
      assert.equal(failure(archive(block({ [field]: base256(-2n, 8) }))).code, 'invalid', field);
    }
    assert.equal(failure(archive(block({ size: base256(-512n, 12) }))).code, 'invalid');
  });

  test('ids beyond 32 bits', () => {
    assert.equal(failure(archive(block({ uid: base256(0x1_0000_0000n, 8) }))).code, 'invalid');
  });

  test('the mode is its lower 12 bits, the file type that some tars add is not', () => {
    assert.equal(parseOne(block({ mode: 0o104755 })).entry.mode, 0o4755);
  });
});

describe('checksum', () => {
  test('signed sums of old tars are as good as unsigned ones', () => {
    const name = '\xe9\xe8';
    const octal = (sum: number) => `${sum.toString(8).padStart(6, '0')}\0 `;
    assert.equal(parseOne(block({ name, checksum: (_, signed) => octal(signed) })).entry.path, name);
    assert.equal(parseOne(block({ name, checksum: unsigned => octal(unsigned) })).entry.path, name);
  });

  test('every single changed byte is noticed', () => {
    const good = block({ name: 'name', mtime: 1, linkname: 'x', prefix: 'p' });
    for (let at = 0; at < 512; at += 1) {
      if (at >= 148 && at < 156) continue;
      const bad = Buffer.from(good);
      bad[at] = (bad[at]! + 1) % 256;
      assert.throws(() => parseAll(archive(bad)), { code: 'corrupt' }, `byte ${at}`);
    }
  });

  test('an error says where', () => {
    const bad = block({ checksum: () => '000000\0 ' });
    const error = failure(archive(entry({ name: 'good' }, 'data'), bad));
    assert.equal(error.code, 'corrupt');
    assert.deepEqual(error.detail, { offset: 1024 });
    assert.match(error.message, /byte 1024.*checksum/);
  });
});

describe('dialects', () => {
  const rest = { name: 'name', prefix: 'some/prefix' };
  test('ustar has a prefix', () => {
    assert.equal(parseOne(block({ ...rest, magic: ustarMagic })).entry.path, 'some/prefix/name');
    assert.equal(parseOne(block({ ...rest, magic: 'ustar\0\0\0' })).entry.path, 'some/prefix/name');
  });
  test('GNU has other fields there, V7 none', () => {
    assert.equal(parseOne(block({ ...rest, magic: gnuMagic })).entry.path, 'name');
    assert.equal(parseOne(block({ ...rest, magic: '' })).entry.path, 'name');
    assert.equal(parseOne(block({ ...rest, magic: 'ustar' })).entry.path, 'some/prefix/name');
    assert.equal(parseOne(block({ ...rest, magic: 'ustarx00' })).entry.path, 'name');
  });
  test("star's prefix is shorter, for it has its times in the tail", () => {
    const prefix = 'p'.repeat(131);
    const raw = { 476: '00000000001\x0000000000001\0', 508: 'tar\0' };
    assert.equal(parseOne(block({ name: 'name', prefix, raw })).entry.path, `${prefix}/name`);
  });
  test('full fields need no NUL, and bytes are bytes', () => {
    const name = `${'n'.repeat(98)}\xff\x80`;
    const prefix = `${'p'.repeat(154)}\xe9`;
    assert.equal(parseOne(block({ name, prefix })).entry.path, `${prefix}/${name}`);
    const linkname = '\xff'.repeat(100);
    assert.equal(parseOne(block({ flag: '2', linkname })).entry.linkpath, linkname);
  });
});

describe('types', () => {
  for (const [flag, type] of [
    ['0', 'file'],
    ['\0', 'file'],
    ['7', 'file'],
    ['1', 'hardlink'],
    ['2', 'symlink'],
    ['3', 'character'],
    ['4', 'block'],
    ['5', 'directory'],
    ['6', 'fifo'],
  ] as const) {
    test(`${JSON.stringify(flag)} is a ${type}`, () => {
      const { entry: read } = parseOne(
        block({ flag, linkname: 'target', devmajor: 5, devminor: 0o1234567, uid: 1, gid: 2, mtime: 3 }),
      );
      const isLink = type === 'hardlink' || type === 'symlink';
      const isDevice = type === 'character' || type === 'block';
      assert.deepEqual(read, {
        type,
        path: 'file',
        linkpath: isLink ? 'target' : '',
        size: 0,
        mode: 0o644,
        uid: 1,
        gid: 2,
        mtime: { seconds: 3, nanoseconds: 0 },
        major: isDevice ? 5 : 0,
        minor: isDevice ? 0o1234567 : 0,
        xattrs: new Map(),
      });
    });
  }

  test('the size in the header of anything but a file is ignored, and no data follows', () => {
    for (const flag of ['1', '2', '3', '4', '5', '6']) {
      const parts = [block({ name: 'a', flag, size: 512, linkname: 't' }), block({ name: 'b' })];
      const { entries } = parseAll(archive(...parts));
      assert.deepEqual(
        entries.map(({ entry: { path, size } }) => [path, size]),
        [
          ['a', 0],
          ['b', 0],
        ],
        flag,
      );
      assert.equal(parseAll(archive(block({ flag, size: 'garbage', linkname: 't' }))).entries.length, 1);
    }
  });

  test("V7 has directories only by their names' last slash", () => {
    for (const flag of ['\0', '0', '7']) {
      const { entries } = parseAll(archive(block({ name: 'd/', magic: '', flag }), block({ name: 'f' })));
      assert.deepEqual(
        entries.map(read => [read.entry.path, read.entry.type]),
        [
          ['d/', 'directory'],
          ['f', 'file'],
        ],
      );
    }
  });

  test("a directory of type '0' may have data, which is passed over; one of type NUL has none", () => {
    const paths = (flag: string) =>
      parseAll(
        archive(entry({ name: 'd/', flag }, block({ name: 'inner' })), block({ name: 'last' })),
      ).entries.map(read => read.entry.path);
    const odd = archive(entry({ name: 'd/' }, 'five!'), block({ name: 'last' }));
    assert.equal(parseAll(odd).entries.length, 2, 'its padding is passed over as well');
    assert.deepEqual(paths('0'), ['d/', 'last']);
    assert.deepEqual(paths('\0'), ['d/', 'inner', 'last']);
  });

  for (const flag of ['8', '9', 'A', 'D', 'I', 'M', 'N', 'V', 'Z', 's', '\x01', '\xff']) {
    test(`${JSON.stringify(flag)} is not known`, () => {
      const error = failure(archive(block({ name: 'odd', flag })));
      assert.equal(error.code, 'invalid');
      assert.match(error.message, /unknown type flag/);
      assert.deepEqual(error.detail, { typeflag: flag.charCodeAt(0), offset: 0, path: 'odd' });
    });
  }
});
