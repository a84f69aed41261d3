/** What headers before an entry say of it: pax records, global ones, GNU long names, and which of them counts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  archive,
  block,
  entry,
  failure,
  gnuMagic,
  type PaxRecord,
  parseAll,
  parseOne,
  pax,
  record,
} from './archive.ts';

const one = (records: readonly PaxRecord[], fields = {}) => parseOne(pax(records), block(fields)).entry;
const refused = (...records: readonly PaxRecord[]) => failure(archive(pax(records), block({})));

describe('records beat the fields they extend', () => {
  test('path and linkpath, as bytes, with newlines and =', () => {
    const path = 'a\n30 path=b=\xff\xfe/ü';
    assert.equal(one([['path', path]], { name: 'x', prefix: 'y' }).path, path);
    assert.equal(one([['linkpath', path]], { flag: '2', linkname: 'x' }).linkpath, path);
    assert.equal(one([['linkpath', path]], { flag: '0' }).linkpath, '', 'a file has no target');
  });

  test('size', () => {
    const data = 'twelve bytes';
    const { entries } = parseAll(
      archive(
        pax([['size', '12']]),
        entry({ size: 0 }, data).subarray(0, 512),
        Buffer.concat([Buffer.from(data), Buffer.alloc(500)]),
        block({ name: 'next' }),
      ),
    );
    assert.deepEqual(
      entries.map(read => [read.entry.path, read.entry.size]),
      [
        ['file', 12],
        ['next', 0],
      ],
    );
    assert.deepEqual(entries[0]!.runs, [Buffer.from(data)]);
  });

  test('a field that a record replaces need not be readable', () => {
    const read = one(
      [
        ['size', '0'],
        ['uid', '1'],
        ['gid', '2'],
        ['mtime', '3'],
      ],
      { size: 'x', uid: 'x', gid: 'x', mtime: 'x' },
    );
    assert.deepEqual([read.size, read.uid, read.gid, read.mtime.seconds], [0, 1, 2, 3]);
  });

  test('uid and gid up to 2^32-1', () => {
    const read = one([
      ['uid', '4294967295'],
      ['gid', '4294967294'],
    ]);
    assert.deepEqual([read.uid, read.gid], [4_294_967_295, 4_294_967_294]);
    assert.equal(refused(['uid', '4294967296']).code, 'invalid');
  });

  test('device numbers, of devices only', () => {
    const records = [
      ['SCHILY.devmajor', '4095'],
      ['SCHILY.devminor', '1048575'],
    ] as const;
    const device = one(records, { flag: '3', devmajor: 1, devminor: 2 });
    assert.deepEqual([device.major, device.minor], [4095, 1_048_575]);
    assert.equal(one(records).major, 0);
  });

  for (const [text, seconds, nanoseconds] of [
    ['0', 0, 0],
    ['1700000000.123456789', 1_700_000_000, 123_456_789],
    ['1.5', 1, 500_000_000],
    ['1.', 1, 0],
    ['1.0000000019', 1, 1],
    ['1.9999999999999', 1, 999_999_999],
    ['-1', -1, 0],
    ['-0', 0, 0],
    ['-1.5', -2, 500_000_000],
    ['-0.000000001', -1, 999_999_999],
    ['-0.0000000001', -1, 999_999_999],
    ['-1.0000000011', -2, 999_999_998],
    ['-1.9999999999', -2, 0],
    ['-1.000000000000', -1, 0],
    ['99999999999', 99_999_999_999, 0],
  ] as const) {
    test(`mtime ${text}`, () => {
      assert.deepEqual(one([['mtime', text]]).mtime, { seconds, nanoseconds });
    });
  }

  test('an empty record gives the field back to the header', () => {
    const fields = { name: 'n', uid: 7, mtime: 9 };
    const read = one(
      [
        ['path', 'x'],
        ['path', ''],
        ['uid', ''],
        ['mtime', ''],
        ['size', ''],
      ],
      fields,
    );
    assert.deepEqual([read.path, read.uid, read.mtime.seconds], ['n', 7, 9]);
  });

  test('unknown keywords, comments and hdrcharset are ignored; the last record of a keyword counts', () => {
    const read = one([
      ['comment', 'x'.repeat(3000)],
      ['hdrcharset', 'BINARY'],
      ['RHT.security.selinux', 'label'],
      ['atime', 'not a time'],
      ['path', 'first'],
      ['path', 'last'],
    ]);
    assert.equal(read.path, 'last');
    assert.equal(read.xattrs.size, 0);
  });
});

describe('xattrs', () => {
  const list = (records: readonly PaxRecord[]) =>
    [...one(records).xattrs].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);

  test("star's spelling: bytes as they are, an empty value too", () => {
    assert.deepEqual(
      list([
        ['SCHILY.xattr.user.a', 'x\0\n=\xff'],
        ['SCHILY.xattr.user.%41', ''],
      ]),
      [
        ['user.a', 'x\0\n=\xff'],
        ['user.%41', ''],
      ],
    );
  });

  test("libarchive's spelling: names percent-encoded, values base64 with or without padding", () => {
    assert.deepEqual(
      list([
        ['LIBARCHIVE.xattr.user.a%3Db%FF%zz%', Buffer.from('AP8')],
        ['LIBARCHIVE.xattr.user.b', 'AP8='],
        ['LIBARCHIVE.xattr.user.c', ''],
      ]),
      [
        ['user.a=b\xff%zz%', '\0\xff'],
        ['user.b', '\0\xff'],
        ['user.c', ''],
      ],
    );
    assert.equal(refused(['LIBARCHIVE.xattr.user.a', 'A*==']).code, 'corrupt');
    assert.equal(refused(['LIBARCHIVE.xattr.user.a', 'AAAAA']).code, 'corrupt');
  });

  test("both at once are one, and star's counts in either order", () => {
    const schily = ['SCHILY.xattr.user.a', ''] as const;
    const libarchive = ['LIBARCHIVE.xattr.user.a', 'QQ'] as const;
    assert.deepEqual(list([schily, libarchive]), [['user.a', '']]);
    assert.deepEqual(list([libarchive, schily]), [['user.a', '']]);
  });

  test('a name is needed, without NUL', () => {
    assert.equal(refused(['SCHILY.xattr.', 'x']).code, 'invalid');
    assert.equal(refused(['SCHILY.xattr.user.\0', 'x']).code, 'invalid');
    assert.equal(refused(['LIBARCHIVE.xattr.user.%00', 'QQ']).code, 'invalid');
  });

  test('a value is a copy: it outlives the chunk', () => {
    const bytes = archive(pax([['SCHILY.xattr.user.a', 'value']]), block({}));
    const { xattrs } = parseAll(bytes).entries[0]!.entry;
    bytes.fill(0);
    assert.deepEqual(xattrs, new Map([['user.a', new Uint8Array(Buffer.from('value'))]]));
  });
});

describe('malformed records', () => {
  const good = record(['path', 'p']).toString('latin1');
  for (const [what, data] of [
    ['no length', ' path=p\n'],
    ['a length that is no number', 'x path=p\n'],
    ['a signed length', '+9 path=p\n'],
    ['a length beyond the header', '99 path=p\n'],
    ['a length too short', '5 path=p\n'],
    ['a huge length', `${'9'.repeat(400)} path=p\n`],
    ['no space', '9path=pp\n'],
    ['no =', '9 path p\n'],
    ['no keyword', '9 =path-\n'],
    ['no newline', '9 path=pp'],
    ['zeros behind', `${good}\0\0\0`],
    ['only a length', '3'],
    ['length 0', '0 path=p\n'],
  ] as const) {
    test(what, () => {
      const error = failure(archive(entry({ flag: 'x' }, data), block({})));
      assert.equal(error.code, 'corrupt');
      assert.equal(error.detail.offset, 0);
    });
  }

  for (const [keyword, value, code] of [
    ['path', 'a\0b', 'invalid'],
    ['linkpath', '\0', 'invalid'],
    ['GNU.sparse.name', 'a\0', 'invalid'],
    ['size', '-1', 'corrupt'],
    ['size', '0x10', 'corrupt'],
    ['size', '1e3', 'corrupt'],
    ['size', ' 1', 'corrupt'],
    ['size', '1.0', 'corrupt'],
    ['size', '9007199254740992', 'invalid'],
    ['uid', 'root', 'corrupt'],
    ['mtime', '1,5', 'corrupt'],
    ['mtime', '.5', 'corrupt'],
    ['mtime', '--1', 'corrupt'],
    ['mtime', '1.5x', 'corrupt'],
    ['mtime', '99999999999999999999', 'invalid'],
  ] as const) {
    test(`${keyword}=${JSON.stringify(value)}`, () => assert.equal(refused([keyword, value]).code, code));
  }
});

describe('global headers', () => {
  const paths = (...parts: Buffer[]) =>
    parseAll(archive(...parts)).entries.map(({ entry: { path, mtime, uid } }) => [path, mtime.seconds, uid]);

  test('hold for all that follows until overridden, by an own record or another global header', () => {
    assert.deepEqual(
      paths(
        block({ name: 'a', mtime: 1, uid: 1 }),
        pax(
          [
            ['mtime', '50'],
            ['uid', '60'],
          ],
          'g',
        ),
        block({ name: 'b', mtime: 1, uid: 1 }),
        pax([['mtime', '70']]),
        block({ name: 'c', mtime: 1, uid: 1 }),
        pax([['mtime', '']]),
        block({ name: 'd', mtime: 1, uid: 1 }),
        block({ name: 'e', mtime: 1, uid: 1 }),
        pax([['uid', '']], 'g'),
        block({ name: 'f', mtime: 1, uid: 1 }),
      ),
      [
        ['a', 1, 1],
        ['b', 50, 60],
        ['c', 70, 60],
        ['d', 1, 60],
        ['e', 50, 60],
        ['f', 50, 1],
      ],
    );
  });

  test('xattrs are inherited, by name', () => {
    const { entries } = parseAll(
      archive(
        pax(
          [
            ['SCHILY.xattr.user.a', '1'],
            ['SCHILY.xattr.user.b', '1'],
          ],
          'g',
        ),
        block({}),
        pax([['LIBARCHIVE.xattr.user.a', 'Mg']]),
        block({}),
        block({}),
      ),
    );
    const values = entries.map(read =>
      [...read.entry.xattrs.values()].map(value => Buffer.from(value).toString()).join(),
    );
    assert.deepEqual(values, ['1,1', '2,1', '1,1']);
  });

  test('between a header and its entry they are no entry', () => {
    assert.deepEqual(paths(pax([['path', 'p']]), pax([['uid', '5']], 'g'), block({})), [['p', 0, 5]]);
  });

  test('may be all there is', () => {
    assert.deepEqual(paths(pax([['comment', 'an empty commit']], 'g')), []);
  });

  test('cannot describe one sparse file', () => {
    assert.equal(failure(archive(pax([['GNU.sparse.size', '5']], 'g'), block({}))).code, 'invalid');
  });
});

describe('extension headers', () => {
  const long = (flag: string, text: string) => entry({ name: '././@LongLink', flag, magic: gnuMagic }, text);

  test('GNU long names and targets, ended by a NUL or not', () => {
    const path = `${'d/'.repeat(300)}n\xff`;
    const target = 't'.repeat(5000);
    const read = parseOne(
      long('K', `${target}\0`),
      long('L', `${path}\0`),
      block({ flag: '2', linkname: 'x' }),
    ).entry;
    assert.deepEqual([read.path, read.linkpath], [path, target]);
    assert.equal(parseOne(long('L', path), block({})).entry.path, path);
    assert.equal(parseOne(long('L', 'a\0b'), block({})).entry.path, 'a');
    assert.equal(parseOne(long('L', ''), block({})).entry.path, 'file');
  });

  test('belong to one entry only', () => {
    const link = { flag: '2', linkname: 'short' };
    const { entries } = parseAll(
      archive(
        long('L', 'long\0'),
        long('K', 'far\0'),
        pax([['uid', '9']]),
        block(link),
        block({ ...link, name: 'b' }),
      ),
    );
    assert.deepEqual(
      entries.map(({ entry: { path, linkpath, uid } }) => [path, linkpath, uid]),
      [
        ['long', 'far', 9],
        ['b', 'short', 0],
      ],
    );
  });

  test('a pax record beats a GNU long name in either order', () => {
    const parts = [long('L', 'gnu\0'), pax([['path', 'pax']])];
    assert.equal(parseOne(...parts, block({})).entry.path, 'pax');
    assert.equal(parseOne(...parts.reverse(), block({})).entry.path, 'pax');
  });

  test('several pax headers before one entry are one; Solaris spells the flag X', () => {
    const read = parseOne(
      pax([
        ['path', 'p'],
        ['uid', '1'],
      ]),
      pax([['uid', '2']], 'X'),
      block({}),
    ).entry;
    assert.deepEqual([read.path, read.uid], ['p', 2]);
  });

  test('a V7 directory is one by its whole path', () => {
    assert.equal(parseOne(long('L', 'deep/\0'), block({ name: 'deep', flag: '\0' })).entry.type, 'directory');
    assert.equal(parseOne(pax([['path', 'deep']]), block({ name: 'deep/', flag: '\0' })).entry.type, 'file');
  });

  for (const [what, part] of [
    ['x', pax([['path', 'p']])],
    ['an empty x', entry({ flag: 'x' })],
    ['X', pax([['path', 'p']], 'X')],
    ['L', long('L', 'p\0')],
    ['K', long('K', 'p\0')],
  ] as const) {
    test(`${what} without an entry after it`, () => {
      for (const bytes of [archive(part), part, Buffer.concat([part, Buffer.alloc(512)])]) {
        const error = failure(bytes);
        assert.equal(error.code, 'corrupt');
        assert.match(error.message, /no entry after it/);
      }
      assert.equal(failure(archive(part, pax([['uid', '5']], 'g'))).code, 'corrupt');
    });
  }
});
