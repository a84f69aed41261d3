import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { DigestVerifier, readLocation, readVerified, verified } from '../../src/content/index.ts';
import { parseDigest } from '../../src/oci/index.ts';
import { shaleError } from '../oci/throws.ts';

const content = Buffer.from('content that is looked at closely');
const digestOf = (bytes: Uint8Array, algorithm = 'sha256') =>
  parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
const expected = { digest: digestOf(content), size: content.length };

async function* chunks(bytes: Uint8Array, size: number) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
async function collect(source: AsyncIterable<Uint8Array>) {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test('right content passes, in whatever chunks', async () => {
  for (const size of [1, 7, 32, 33, 511]) {
    assert.deepEqual(await collect(verified(chunks(content, size), expected)), content);
  }
  for (const algorithm of ['sha384', 'sha512']) {
    const stream = verified(chunks(content, 5), { digest: digestOf(content, algorithm) });
    assert.deepEqual(await collect(stream), content);
  }
  assert.equal(
    (await collect(verified(chunks(Buffer.alloc(0), 1), { digest: digestOf(Buffer.alloc(0)), size: 0 })))
      .length,
    0,
  );
});

test('the last chunk of wrong content is never seen', async () => {
  const wrong = Buffer.from(content);
  wrong[0]! ^= 1;
  for (const size of [1, 7, 64]) {
    const seen: Uint8Array[] = [];
    const read = async () => {
      for await (const chunk of verified(chunks(wrong, size), expected)) seen.push(chunk);
    };
    await assert.rejects(read, shaleError('corrupt', /digest is sha256:/));
    assert.ok(Buffer.concat(seen).length < wrong.length);
  }
});

test('content that is too long fails at once, too short at the end', () => {
  const long = new DigestVerifier(expected, 'it');
  long.update(content);
  assert.throws(
    () => long.update(Buffer.from('x')),
    shaleError('corrupt', /it is corrupt: it has more than 33 bytes/),
  );
  const short = new DigestVerifier(expected);
  short.update(content.subarray(1));
  assert.throws(() => short.finish(), shaleError('corrupt', /ends after 32 of 33 bytes/));
});

test('the error holds what was expected and what was there', () => {
  const verifier = new DigestVerifier(expected);
  const other = Buffer.alloc(content.length);
  verifier.update(other);
  assert.throws(() => verifier.finish(), {
    detail: { expected, actual: { size: content.length, digest: digestOf(other) } },
  });
});

test('ranges of files', async () => {
  await using directory = await temporary();
  const file = path.join(directory.path, 'blob');
  await writeFile(file, Buffer.concat([Buffer.from('before'), content, Buffer.from('after')]));
  const location = { path: file, offset: 6, size: content.length };
  assert.deepEqual(await collect(readLocation(location)), content);
  assert.deepEqual(await readVerified(location, expected), content);
  await assert.rejects(readVerified({ ...location, offset: 5 }, expected), shaleError('corrupt', /digest/));
  await assert.rejects(
    readVerified({ ...location, size: 38 }, expected),
    shaleError('corrupt', /more than 33/),
  );
  await assert.rejects(
    readVerified({ ...location, size: 100 }, { ...expected, size: 100 }),
    shaleError('corrupt', /too early/),
  );
  await assert.rejects(readVerified({ ...location, size: 5e6 }, expected), shaleError('exhausted'));
  await assert.rejects(readVerified({ ...location, path: `${file}x` }, expected), shaleError('not-found'));
  const signal = AbortSignal.abort();
  await assert.rejects(readVerified(location, expected, { signal }), shaleError('cancelled'));
});

test('a large range comes in bounded chunks, and may be left early', async () => {
  await using directory = await temporary();
  const file = path.join(directory.path, 'blob');
  const large = Buffer.alloc(1_000_001, 'abc');
  await writeFile(file, large);
  let longest = 0;
  const parts: Uint8Array[] = [];
  for await (const chunk of readLocation({ path: file, offset: 1, size: 1_000_000 })) {
    longest = Math.max(longest, chunk.length);
    parts.push(chunk);
  }
  assert.ok(longest <= 256 * 1024);
  assert.ok(Buffer.concat(parts).equals(large.subarray(1)));
  for await (const _ of readLocation({ path: file, offset: 0, size: 1_000_000 })) break;
});

async function temporary() {
  const created = await mkdtemp(path.join(tmpdir(), 'shale-content-'));
  return { path: created, [Symbol.asyncDispose]: () => rm(created, { recursive: true }) };
}
