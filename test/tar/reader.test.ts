/** The cursor: the same as the parser's account, pulled. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTar } from '../../src/tar/index.ts';
import { archive, block, chunkSizes, entry, pax } from './archive.ts';

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

const big = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251));
const sparse = [
  pax([
    ['GNU.sparse.size', '200005'],
    ['GNU.sparse.map', '100000,5'],
  ]),
  entry({ name: 'sparse' }, 'hello'),
];
const sample = archive(
  entry({ name: 'big' }, big),
  block({ name: 'd', flag: '5' }),
  ...sparse,
  entry({ name: 'z' }, 'z'),
);
const expected = new Map([
  ['big', big],
  ['d', Buffer.alloc(0)],
  ['sparse', Buffer.concat([Buffer.alloc(100_000), Buffer.from('hello'), Buffer.alloc(100_000)])],
  ['z', Buffer.from('z')],
]);

describe('openTar', () => {
  for (const size of [...chunkSizes, sample.length]) {
    test(`reads all in chunks of ${size}`, async () => {
      await using tar = openTar(chunks(sample, size));
      const read = new Map<string, Buffer>();
      for (let found = await tar.next(); found !== undefined; found = await tar.next()) {
        const parts: Buffer[] = [];
        for await (const chunk of tar.body()) {
          assert.ok(chunk.length > 0 && chunk.length <= 65_536);
          parts.push(Buffer.from(chunk));
        }
        read.set(found.path, Buffer.concat(parts));
      }
      assert.deepEqual(read, expected);
      assert.equal(tar.terminated, true);
      assert.equal(await tar.next(), undefined);
    });
  }

  test('passes over what nobody wants, wholly or in part', async () => {
    const tar = openTar(chunks(sample, 1000));
    const paths: string[] = [];
    for (let found = await tar.next(); found !== undefined; found = await tar.next()) {
      paths.push(found.path);
      if (found.path === 'sparse') for await (const _ of tar.body()) break;
    }
    assert.deepEqual(paths, [...expected.keys()]);
  });

  test('a body ends with its entry, even one that is still held', async () => {
    const tar = openTar(chunks(sample, 1000));
    await tar.next();
    const body = tar.body();
    assert.equal((await body.next()).value?.length, 488);
    await tar.next();
    await tar.next();
    assert.equal((await body.next()).done, true);
    const parts: Uint8Array[] = [];
    for await (const chunk of tar.body()) parts.push(chunk);
    assert.deepEqual(Buffer.concat(parts), expected.get('sparse'));
  });

  test('tells a missing end, and fails on a cut', async () => {
    const tar = openTar(chunks(sample.subarray(0, -1024), 1000));
    while ((await tar.next()) !== undefined);
    assert.equal(tar.terminated, false);
    const cut = openTar(chunks(sample.subarray(0, 5000), 1000));
    await cut.next();
    await assert.rejects(cut.next(), { name: 'TarError', code: 'corrupt' });
  });

  test('what stands before an error is read whatever the chunks', async () => {
    const bad = archive(entry({ name: 'good' }, 'data'), block({ flag: 'Q' }));
    for (const size of [...chunkSizes, bad.length]) {
      const tar = openTar(chunks(bad, size));
      assert.equal((await tar.next())?.path, 'good');
      for (let round = 0; round < 2; round += 1) await assert.rejects(tar.next(), { code: 'invalid' });
    }
  });

  test('pulls no more than it needs, and closes its source', async () => {
    let pulled = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield sample.subarray(0, 512);
        for (; ; pulled += 1) yield Buffer.alloc(1000);
      } finally {
        closed = true;
      }
    }
    {
      await using tar = openTar(endless());
      await tar.next();
      for await (const _ of tar.body()) break;
      assert.equal(pulled, 0);
    }
    assert.ok(closed);
  });

  test('an error of the source passes through', async () => {
    const lost = new Error('the connection is lost');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield sample.subarray(0, 100);
      throw lost;
    }
    const tar = openTar(failing());
    await assert.rejects(tar.next(), lost);
  });
});
