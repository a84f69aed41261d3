/** The canonical form: what stands where, what goes to pax, and that it reads back as it was. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../src/tar/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { block, parseOne, record } from './archive.ts';

const plain: TarEntry = {
  type: 'file',
  path: 'file',
  linkpath: '',
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  major: 0,
  minor: 0,
  xattrs: new Map(),
};

/** The header blocks and the pax records, as text, that come before the last block. */
function written(entry: Partial<TarEntry>): { records: string[]; header: Buffer } {
  const bytes = Buffer.from(formatHeader({ ...plain, ...entry }));
  assert.equal(bytes.length % 512, 0);
  const records: string[] = [];
  if (bytes.length > 512) {
    assert.equal(bytes.toString('latin1', 156, 157), 'x');
    let rest = bytes.subarray(512, 512 + Number.parseInt(bytes.toString('latin1', 124, 135), 8));
    while (rest.length > 0) {
      const length = Number.parseInt(rest.toString('latin1'), 10);
      records.push(rest.toString('latin1', String(length).length + 1, length - 1));
      rest = rest.subarray(length);
    }
  }
  return { records, header: bytes.subarray(-512) };
}
const text = (header: Buffer, at: number, length: number) =>
  header.toString('latin1', at, at + length).replace(/\0.*$/s, '');

describe('ustar where it suffices', () => {
  test('the whole block is as POSIX spells it', () => {
    const { records, header } = written({
      mode: 0o4755,
      uid: 1000,
      gid: 0o7777777,
      size: 5,
      mtime: { seconds: 12, nanoseconds: 0 },
    });
    assert.deepEqual(records, []);
    const expected = block({
      mode: 0o4755,
      uid: 1000,
      gid: 0o7777777,
      size: 5,
      mtime: 12,
      devmajor: 0,
      devminor: 0,
    });
    assert.deepEqual(header, expected);
  });

  test('the largest values that it holds, and the next', () => {
    for (const [field, most] of [
      ['size', 8 ** 11 - 1],
      ['uid', 8 ** 7 - 1],
      ['gid', 8 ** 7 - 1],
    ] as const) {
      assert.deepEqual(written({ [field]: most }).records, []);
      assert.deepEqual(written({ [field]: most + 1 }).records, [`${field}=${most + 1}`]);
    }
    assert.deepEqual(written({ mtime: { seconds: 8 ** 11 - 1, nanoseconds: 0 } }).records, []);
    assert.deepEqual(written({ mtime: { seconds: 8 ** 11, nanoseconds: 0 } }).records, [`mtime=${8 ** 11}`]);
  });

  for (const [what, path, name, prefix] of [
    ['a full name', 'n'.repeat(100), 'n'.repeat(100), ''],
    ['other bytes', '\xff\xfe/\xe9', '\xff\xfe/\xe9', ''],
    ['both full', `${'p'.repeat(155)}/${'n'.repeat(100)}`, 'n'.repeat(100), 'p'.repeat(155)],
    [
      'the last slash that fits',
      `a/${'b'.repeat(50)}/${'c'.repeat(60)}`,
      'c'.repeat(60),
      `a/${'b'.repeat(50)}`,
    ],
  ] as const) {
    test(`paths: ${what}`, () => {
      const { records, header } = written({ path });
      assert.deepEqual(records, []);
      assert.deepEqual([text(header, 0, 100), text(header, 345, 155)], [name, prefix]);
    });
  }

  for (const [what, path] of [
    ['a long name', 'n'.repeat(101)],
    ['a long prefix', `${'p'.repeat(156)}/n`],
    ['a slash at the start only', `/${'n'.repeat(100)}`],
    ['no slash where one is needed', `${'p'.repeat(120)}/${'n'.repeat(101)}`],
  ] as const) {
    test(`paths that do not split: ${what}`, () => {
      const { records, header } = written({ path });
      assert.deepEqual(records, [`path=${path}`]);
      assert.deepEqual([text(header, 0, 100), text(header, 345, 155)], [path.slice(0, 100), '']);
    });
  }

  test('directories end with a slash, and a cut name never makes one', () => {
    assert.equal(text(written({ type: 'directory', path: 'd' }).header, 0, 100), 'd/');
    assert.equal(text(written({ type: 'directory', path: 'd/' }).header, 0, 100), 'd/');
    assert.equal(text(written({ type: 'directory', path: '' }).header, 0, 100), './');
    const exact = written({ type: 'directory', path: `${'p'.repeat(120)}/${'n'.repeat(99)}` });
    assert.deepEqual([exact.records, text(exact.header, 0, 100)], [[], `${'n'.repeat(99)}/`]);
    const short = written({ type: 'directory', path: `${'p'.repeat(50)}/${'n'.repeat(60)}` });
    assert.deepEqual(
      [text(short.header, 345, 155), text(short.header, 0, 100)],
      ['p'.repeat(50), `${'n'.repeat(60)}/`],
    );
    const long = written({ path: `${'p'.repeat(99)}/${'n'.repeat(200)}` });
    assert.equal(text(long.header, 0, 100), 'p'.repeat(99));
  });
});

describe('pax where it does not', () => {
  for (const [seconds, nanoseconds, expected] of [
    [1, 500_000_000, '1.5'],
    [-1, 0, '-1'],
    [-2, 500_000_000, '-1.5'],
    [-1, 999_999_999, '-0.000000001'],
    [0, 1, '0.000000001'],
    [1_700_000_000, 123_456_780, '1700000000.12345678'],
  ] as const) {
    test(`mtime ${expected}`, () => {
      const { records, header } = written({ mtime: { seconds, nanoseconds } });
      assert.deepEqual(records, [`mtime=${expected}`]);
      assert.equal(Number.parseInt(text(header, 136, 12), 8), Math.max(0, seconds));
    });
  }

  test('records are sorted; a field that its record replaces is zero', () => {
    const xattrs = new Map([
      ['user.b', Buffer.from('\0\n=')],
      ['user.a', Buffer.alloc(0)],
      ['security.capability', Buffer.from('\x01')],
      ['user.a=b', Buffer.from([0xff])],
    ]);
    const { records, header } = written({ size: 8 ** 11, uid: 0xffff_ffff, gid: 8 ** 7, xattrs });
    assert.deepEqual(records, [
      'LIBARCHIVE.xattr.user.a%3Db=/w',
      'SCHILY.xattr.security.capability=\x01',
      'SCHILY.xattr.user.a=',
      'SCHILY.xattr.user.b=\0\n=',
      `gid=${8 ** 7}`,
      `size=${8 ** 11}`,
      'uid=4294967295',
    ]);
    assert.deepEqual(
      [text(header, 108, 8), text(header, 116, 8), text(header, 124, 12)],
      ['0000000', '0000000', '00000000000'],
    );
  });

  test('long targets; bytes that are not UTF-8 are announced', () => {
    const link = { type: 'symlink', linkpath: 't'.repeat(101) } as const;
    assert.deepEqual(written(link).records, [`linkpath=${link.linkpath}`]);
    const path = 'ü'.repeat(60);
    const utf8 = Buffer.from(path).toString('latin1');
    assert.deepEqual(written({ path: utf8 }).records, [`path=${utf8}`]);
    assert.deepEqual(written({ path: '\xff'.repeat(120) }).records, [
      'hdrcharset=BINARY',
      `path=${'\xff'.repeat(120)}`,
    ]);
    assert.deepEqual(written({ path: '\xff', uid: 8 ** 7 }).records, [`uid=${8 ** 7}`]);
  });

  test('device numbers beyond their fields', () => {
    const device = { type: 'block', major: 8 ** 7, minor: 7 } as const;
    assert.deepEqual(written(device).records, [`SCHILY.devmajor=${8 ** 7}`]);
  });

  test('record lengths around powers of ten count themselves', () => {
    for (let length = 85; length < 110; length += 1) {
      const value = Buffer.alloc(length, 'v');
      const bytes = Buffer.from(formatHeader({ ...plain, xattrs: new Map([['user.a', value]]) }));
      assert.ok(bytes.includes(record(['SCHILY.xattr.user.a', value])), `${length}`);
    }
  });
});

describe('refused', () => {
  for (const [what, entry] of [
    ['a NUL in the path', { path: 'a\0b' }],
    ['a NUL in the target', { type: 'symlink', linkpath: '\0' }],
    ['no path', { path: '' }],
    ["a file with a directory's path", { path: 'a/' }],
    ['a link without target', { type: 'hardlink' }],
    ['a file with a target', { linkpath: 'a' }],
    ['a directory with a size', { type: 'directory', size: 1 }],
    ['a negative size', { size: -1 }],
    ['half a byte', { size: 0.5 }],
    ['a size beyond the safe integers', { size: 2 ** 53 }],
    ['a mode with a type', { mode: 0o100644 }],
    ['an id of 33 bits', { uid: 2 ** 32 }],
    ['a whole second of nanoseconds', { mtime: { seconds: 0, nanoseconds: 1e9 } }],
    ['no time', { mtime: { seconds: Number.NaN, nanoseconds: 0 } }],
    ['a nameless xattr', { xattrs: new Map([['', Buffer.alloc(0)]]) }],
  ] as const) {
    test(what, () => {
      assert.throws(() => formatHeader({ ...plain, ...entry }), { name: 'TarError', code: 'invalid' });
    });
  }
});

test('padding and end', () => {
  assert.deepEqual(
    [0, 1, 511, 512, 513, 2 ** 40 + 1].map(size => padding(size).length),
    [0, 511, 1, 0, 511, 511],
  );
  assert.deepEqual(Buffer.from(endOfArchive), Buffer.alloc(1024));
});

test('what is written reads back as it was, and is written the same again', () => {
  const seed = readSeed();
  const { integer, chance, pick } = createRandom(seed);
  const bytes = (length: number, from: number) =>
    String.fromCharCode(...Array.from({ length }, () => from + integer(256 - from)));
  const number = (most: number) => (chance(0.5) ? integer(1000) : Math.floor(pick([0.3, 0.9, 1]) * most));
  for (let round = 0; round < 400; round += 1) {
    const type = pick(['file', 'hardlink', 'symlink', 'character', 'block', 'directory', 'fifo'] as const);
    const isDevice = type === 'character' || type === 'block';
    const path = Array.from({ length: 1 + integer(4) }, () => bytes(1 + integer(120), 48)).join('/');
    const entry: TarEntry = {
      type,
      path: type === 'directory' ? `${path}/` : path,
      linkpath: type === 'hardlink' || type === 'symlink' ? bytes(1 + integer(200), 1) : '',
      size: type === 'file' ? integer(2000) : 0,
      mode: integer(0o10000),
      uid: number(0xffff_ffff),
      gid: number(0xffff_ffff),
      mtime: {
        seconds: pick([1, -1]) * number(2 ** 45) + 0,
        nanoseconds: chance(0.5) ? 0 : integer(1e9),
      },
      major: isDevice ? number(0xffff_ffff) : 0,
      minor: isDevice ? number(0xffff_ffff) : 0,
      xattrs: new Map(
        Array.from({ length: integer(3) }, (_, index) => [
          `user.${bytes(1 + integer(50), 1)}${index}`,
          new Uint8Array(Buffer.from(bytes(integer(300), 0), 'latin1')),
        ]),
      ),
    };
    const header = Buffer.from(formatHeader(entry));
    const { entry: read } = parseOne(header, Buffer.alloc(entry.size), Buffer.from(padding(entry.size)));
    assert.deepEqual(read, entry, `SEED=${seed}, round ${round}`);
    assert.deepEqual(Buffer.from(formatHeader(read)), header, `SEED=${seed}, round ${round}`);
  }
});
