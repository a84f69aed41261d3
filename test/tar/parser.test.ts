/** The machine itself: how archives end, its limits, its contract with the handler. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TarHandler, TarParser } from '../../src/tar/index.ts';
import { archive, block, end, entry, failure, parse, parseAll, pax } from './archive.ts';

const silent: TarHandler = { entry() {}, data() {}, hole() {}, end() {} };
const file = entry({ name: 'a' }, 'some data');

describe('the end', () => {
  for (const [what, bytes, terminated] of [
    ['two zero blocks', archive(file), true],
    ['more zeros', Buffer.concat([file, Buffer.alloc(10_240)]), true],
    ['anything behind', Buffer.concat([file, end, Buffer.from('anything'), file]), true],
    ['one zero block', Buffer.concat([file, Buffer.alloc(512)]), false],
    ['no zero block', file, false],
    ['no padding', file.subarray(0, 512 + 9), false],
    ['a part of the padding', file.subarray(0, 700), false],
  ] as const) {
    test(what, () => {
      const parsed = parseAll(bytes);
      assert.equal(parsed.terminated, terminated);
      assert.deepEqual(
        parsed.entries.map(read => read.entry.path),
        ['a'],
      );
    });
  }

  test('an archive of nothing', () => {
    assert.deepEqual(parseAll(end), { entries: [], terminated: true });
    assert.deepEqual(parseAll(Buffer.alloc(0)), { entries: [], terminated: false });
  });

  test('within a header, a record or data: refused at every other length', () => {
    const bytes = Buffer.concat([pax([['uid', '5']]), file]);
    const whole = (length: number) => length === 0 || length >= 1536 + 9;
    for (let length = 0; length <= bytes.length; length += 1) {
      const cut = bytes.subarray(0, length);
      if (whole(length)) assert.equal(parse(cut, 4096).terminated, false, `${length} bytes`);
      else assert.throws(() => parse(cut, 4096), { code: 'corrupt' }, `${length} bytes`);
    }
  });

  test('a lone zero block is no end: not all readers would stop there', () => {
    const error = failure(Buffer.concat([file, Buffer.alloc(512), file, end]));
    assert.equal(error.code, 'corrupt');
    assert.equal(error.detail.offset, 1536);
  });
});

describe('limits', () => {
  const records = pax([['comment', 'x'.repeat(985)]]);
  test('bytes of extended headers: all of one entry together', () => {
    assert.equal(parseAll(archive(records, block({})), { paxBytes: 999 }).entries.length, 1);
    const long = entry({ flag: 'L' }, 'name\0');
    const twice = archive(records, block({}), records, block({}));
    assert.equal(parseAll(twice, { paxBytes: 999 }).entries.length, 2);
    for (const parts of [
      [records, long],
      [long, records],
      [records, records],
    ]) {
      const error = failure(archive(...parts, block({})), { paxBytes: 1002 });
      assert.equal(error.code, 'exhausted');
      assert.equal(error.detail.flag, '--max-pax');
      assert.equal(error.detail.limit, 1002);
      assert.match(error.message, /--max-pax/);
    }
  });

  test('the default is a mebibyte, and a claim alone reserves nothing', () => {
    for (const flag of ['x', 'g', 'L', 'K']) {
      assert.equal(failure(block({ flag, size: 1024 * 1024 + 1 })).code, 'exhausted', flag);
      assert.equal(failure(block({ flag, size: 1024 * 1024 })).code, 'corrupt', flag);
    }
  });

  test('what global headers hand down is bounded, what they say in passing is not', () => {
    const global = (size: number, keyword: string) =>
      archive(pax([[keyword, 'v'.repeat(size)]], 'g'), block({}));
    for (const keyword of ['path', 'SCHILY.xattr.user.a']) {
      assert.equal(parseAll(global(8000, keyword)).entries.length, 1);
      assert.equal(failure(global(9000, keyword)).code, 'exhausted');
    }
    assert.equal(parseAll(global(900_000, 'comment')).entries.length, 1);
  });
});

describe('the handler', () => {
  test('gets data as views of the chunk', () => {
    const chunk = archive(file);
    const views: Uint8Array[] = [];
    const parser = new TarParser({ ...silent, data: view => views.push(view) });
    parser.write(chunk);
    assert.equal(views.length, 1);
    assert.equal(views[0]!.buffer, chunk.buffer);
    assert.equal(views[0]!.byteOffset, chunk.byteOffset + 512);
  });

  test('may be given any kind of bytes', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4096), 100, 2560);
    shared.set(archive(file));
    const paths: string[] = [];
    const parser = new TarParser({ ...silent, entry: ({ path }) => paths.push(path) });
    parser.write(shared);
    assert.deepEqual([paths, parser.finish().terminated], [['a'], true]);
  });

  test('can see where it is', () => {
    const bytes = archive(
      file,
      pax([['uid', '5']]),
      entry({ name: 'b' }, Buffer.alloc(600)),
      block({ name: 'c' }),
    );
    const seen: (string | number)[] = [];
    const parser: TarParser = new TarParser({
      entry: ({ path }) => seen.push(path, parser.offset),
      data: () => seen.push(parser.offset),
      hole() {},
      end: () => seen.push(parser.offset),
    });
    assert.equal(parser.offset, 0);
    for (let at = 0; at < bytes.length; at += 1300) parser.write(bytes.subarray(at, at + 1300));
    assert.deepEqual(seen, ['a', 512, 521, 521, 'b', 2560, 2600, 3160, 3160, 'c', 4096, 4096]);
    assert.equal(parser.offset, bytes.length);
    assert.ok(parser.ended);
  });

  test('may throw: the error passes, and the parser is spent', () => {
    const error = new Error('enough');
    const parser = new TarParser({
      ...silent,
      end() {
        throw error;
      },
    });
    const thrown = (act: () => unknown) => {
      try {
        act();
      } catch (caught) {
        return caught;
      }
      return undefined;
    };
    assert.equal(
      thrown(() => parser.write(archive(file))),
      error,
    );
    assert.equal(
      thrown(() => parser.write(archive(file))),
      error,
    );
    assert.equal(
      thrown(() => parser.finish()),
      error,
    );
  });
});

test('an error stays the same, and says which entry in print that steers no terminal', () => {
  const parser = new TarParser(silent);
  const bad = archive(block({ name: '\x1b[31mred\xff', flag: 'Q' }));
  const expected = { code: 'invalid', message: /byte 0 \(\\x1b\[31mred\\xff\)/ };
  assert.throws(() => parser.write(bad), expected);
  assert.throws(() => parser.write(bad), expected);
  assert.throws(() => parser.finish(), expected);
});

test('a hundred thousand entries take no time to speak of', () => {
  const started = performance.now();
  let count = 0;
  const parser = new TarParser({ ...silent, entry: () => (count += 1) });
  const some = Buffer.concat(
    Array.from({ length: 1000 }, (_, index) => entry({ name: `f${index}` }, 'data')),
  );
  for (let round = 0; round < 100; round += 1) parser.write(some);
  assert.equal(count, 100_000);
  // Some 0.1 s here: the bound only catches what is no longer linear.
  assert.ok(performance.now() - started < 5000);
});
