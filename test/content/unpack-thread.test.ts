/** Blobs that another thread reads, verifies and decompresses. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Arrival, type BlobLocation } from '../../src/content/index.ts';
import { mostPieces, pieceBytes } from '../../src/content/thread/protocol.ts';
import { UnpackThread } from '../../src/content/thread/unpack-thread.ts';
import { ShaleError } from '../../src/error/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';

const seed = readSeed();
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;

function createBlob(at: (name: string) => string, name: string, content: Buffer) {
  const bytes = gzipSync(content, { level: 1 });
  writeFileSync(at(name), bytes);
  const location: BlobLocation = { path: at(name), offset: 0, size: bytes.length };
  const request = { digest: sha256(bytes), diffId: sha256(content), what: `layer ${name}` };
  return { bytes, content, location, request: { ...request, blob: Promise.resolve(location) } };
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Buffer[] = [];
  // A chunk is valid until the next one is asked for.
  for await (const chunk of chunks) read.push(Buffer.from(chunk));
  return Buffer.concat(read);
}

const fails = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ShaleError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

/** More than the thread holds at a time. */
const createContent = (random: ReturnType<typeof createRandom>, size: number) =>
  Buffer.from(Array.from({ length: size }, () => random.integer(7)));

test(`one after the other, ahead of the reader, and past those that nobody reads (SEED=${seed})`, async () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  const large = Buffer.concat(
    Array.from({ length: 2 * mostPieces }, (_, index) => Buffer.alloc(pieceBytes - index, index)),
  );
  const blobs = [createContent(random, 5000), large, Buffer.alloc(0), large, createContent(random, 9)].map(
    (content, index) => createBlob(scratch.at, `blob-${index}`, content),
  );
  await using thread = new UnpackThread();
  const reads = blobs.map(({ request }) => thread.read(request));
  for (const [index, { content }] of blobs.entries()) {
    if (index === 1) reads[index]![Symbol.dispose]();
    else assert.ok((await readAll(reads[index]!)).equals(content), `blob ${index}`);
  }
  // One that is left in the middle is in nobody's way either.
  const [left, next] = [thread.read(blobs[3]!.request), thread.read(blobs[0]!.request)];
  for await (const _ of left) break;
  assert.ok((await readAll(next)).equals(blobs[0]!.content));
});

test('what is wrong with a blob is known before its end is reached', async () => {
  using scratch = createScratch();
  const { bytes, location, request } = createBlob(
    scratch.at,
    'blob',
    Buffer.alloc(3 * pieceBytes, 'content'),
  );
  const read = async (change: object) => {
    await using thread = new UnpackThread();
    return await readAll(thread.read({ ...request, ...change }));
  };
  const other = sha256(Buffer.from('other'));
  await assert.rejects(read({ diffId: other }), fails('corrupt', /^layer blob, uncompressed, is corrupt/));
  await assert.rejects(read({ digest: other }), fails('corrupt', /^layer blob is corrupt: its digest is/));
  const ratio = { most: 2, floor: 100 };
  await assert.rejects(read({ ratio }), fails('exhausted', /unpacks to more than 2 times/));
  const short = Promise.resolve({ ...location, size: bytes.length - 9 });
  await assert.rejects(read({ blob: short }), fails('corrupt', /^layer blob is corrupt/));
  bytes[bytes.length >> 1]! ^= 0x55;
  writeFileSync(location.path, bytes);
  await assert.rejects(read({}), fails('corrupt', /^layer blob is corrupt: its digest is/));
  await assert.rejects(
    read({ blob: Promise.reject(new ShaleError('not-found', 'no such blob')) }),
    fails('not-found', /no such blob/),
  );
  const path = scratch.at('missing');
  await assert.rejects(read({ blob: Promise.resolve({ ...location, path }) }), fails('not-found', /missing/));
});

test('an abort ends the wait for a blob that is arriving', async () => {
  using scratch = createScratch();
  const { location, request } = createBlob(scratch.at, 'blob', Buffer.alloc(pieceBytes, 'content'));
  const arrival = new Arrival();
  const abort = new AbortController();
  await using thread = new UnpackThread();
  const blob = Promise.resolve({ ...location, arrival: arrival.memory });
  const read = readAll(thread.read({ ...request, blob, signal: abort.signal }));
  const failed = assert.rejects(read, fails('cancelled', /cancelled/));
  await setTimeout(50);
  abort.abort();
  await failed;
});
