/** Blobs on their way into the store, from a client that breaks off, ignores ranges, sends too much or lies. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { readLocation } from '../../src/content/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import { type Descriptor, type Digest, parseDigest } from '../../src/oci/index.ts';
import { Downloads, type DownloadsOptions } from '../../src/pull/index.ts';
import type { BlobRange, RegistryClient } from '../../src/registry/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { createRandom, readSeed } from '../model/random.ts';

const name = { registry: 'registry.test', repository: 'image' };
let scratch: string;
let store: Store;
beforeEach(async () => {
  scratch = mkdtempSync(path.join(tmpdir(), 'shale-downloads-'));
  store = await openStore({ root: path.join(scratch, 'cache') });
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(scratch, { recursive: true, force: true });
});

interface Request {
  readonly digest: Digest;
  readonly start: number;
  readonly end: number;
}

/** What a request gets: how it bends the bytes that were asked for, and after how many of them it breaks off. */
interface Behaviour {
  readonly ignoresRange?: boolean;
  readonly breaksAfter?: number;
  readonly extra?: number;
  readonly bend?: (bytes: Buffer, start: number) => Buffer;
}

/** A client of blobs in memory; keeps what it was asked for. */
class Client {
  readonly blobs = new Map<Digest, Buffer>();
  readonly requests: Request[] = [];
  open = 0;
  most = 0;
  behave: (request: Request) => Behaviour = () => ({});

  add(content: Buffer): Descriptor {
    const digest = parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`);
    this.blobs.set(digest, content);
    const none = { annotations: {}, platform: undefined, artifactType: undefined, urls: [], data: undefined };
    return { mediaType: 'application/octet-stream', digest, size: content.length, ...none };
  }

  readonly connect = async () => this as unknown as RegistryClient;

  async openBlob(_: unknown, { digest, size }: Descriptor, range: BlobRange = {}) {
    const { start = 0, end = size } = range;
    const request = { digest, start, end };
    this.requests.push(request);
    const { ignoresRange = false, breaksAfter, extra = 0, bend } = this.behave(request);
    const asked = range.start !== undefined && !ignoresRange;
    const content = this.blobs.get(digest)!;
    const whole = asked ? content.subarray(start, end) : content;
    const bytes = Buffer.concat([bend?.(whole, asked ? start : 0) ?? whole, Buffer.alloc(extra)]);
    const body = this.#send(bytes, breaksAfter);
    return { start: asked ? start : 0, ranged: asked, body, distrust: () => false };
  }

  async *#send(bytes: Buffer, breaksAfter = Number.POSITIVE_INFINITY) {
    this.open += 1;
    this.most = Math.max(this.most, this.open);
    try {
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 1000, breaksAfter);
        if (end === at) throw new ShaleError('unavailable', 'the connection was reset');
        yield bytes.subarray(at, end);
        at = end;
        await setImmediate();
      }
    } finally {
      this.open -= 1;
    }
  }
}

const downloads = (client: Client, options: Partial<DownloadsOptions> = {}) =>
  new Downloads({ connect: client.connect, store, segmentBytes: 5000, retries: 3, ...options });

const noise = (size: number, seed: number) => {
  const random = createRandom(seed);
  return Buffer.from(Array.from({ length: size }, () => random.integer(256)));
};

test('a large blob comes in ranges over several connections, each byte once, and a reader follows', async () => {
  const client = new Client();
  const content = noise(42_000, 1);
  const blob = client.add(content);
  await using running = downloads(client, { connections: 4 });
  const location = await running.fetch(name, blob);
  const chunks: Uint8Array[] = [];
  for await (const chunk of readLocation(location)) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(content));
  running.settle(blob.digest);
  await running.finish();
  assert.equal(running.fetched, content.length);
  assert.ok(client.most > 1 && client.most <= 4, `${client.most} connections`);
  assert.deepEqual(
    client.requests.map(({ start }) => start).sort((a, b) => a - b),
    [0, 5000, 10000, 15000, 20000, 25000, 30000, 35000, 40000],
  );
  assert.ok(readFileSync(store.findBlob(blob.digest)!.path).equals(content));
});

test('the first one asked for has the connections first', async () => {
  const client = new Client();
  const [first, second] = [client.add(noise(30_000, 1)), client.add(noise(30_000, 2))];
  await using running = downloads(client, { connections: 2 });
  await Promise.all([running.fetch(name, first), running.fetch(name, second)]);
  await Promise.all([running.verify(first.digest), running.verify(second.digest)]);
  const begun = client.requests.map(({ digest }) => digest);
  // While it is not known whether the server gives ranges, the second connection has nothing else to do.
  assert.ok(begun.lastIndexOf(first.digest) <= 7, String(begun));
  assert.equal(begun[2], first.digest);
});

test('random faults: what arrives is what was asked for, or an error; no byte that is there is written again', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const { integer: random } = createRandom(seed);
  let [good, bad] = [0, 0];
  for (let round = 0; round < 25; round++) {
    const client = new Client();
    const content = noise(1 + random(40_000), round);
    const blob = client.add(content);
    let left = random(6);
    const ignores = random(4) === 0;
    const lies = random(8) === 0;
    client.behave = () => {
      const ignoresRange = ignores && random(2) === 0;
      // A server that gives other bytes the second time: what was read before must stay.
      const bend = lies ? (bytes: Buffer) => Buffer.from(bytes).fill(random(256), 0, random(50)) : undefined;
      if (left === 0) return { ignoresRange, ...(bend && { bend }) };
      left -= 1;
      return { ignoresRange, breaksAfter: random(6000), ...(bend && { bend }) };
    };
    await using running = downloads(client, { connections: 1 + random(5), retries: 6 });
    const location = await running.fetch(name, blob);
    const reading = (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of readLocation(location, { signal: running.signal })) chunks.push(chunk);
      return Buffer.concat(chunks);
    })();
    const [read, verified] = await Promise.allSettled([reading, running.verify(blob.digest)]);
    if (verified.status === 'fulfilled') {
      await running.finish();
      const kept = readFileSync(store.findBlob(blob.digest)!.path);
      assert.ok(kept.equals(content), `round ${round}`);
      assert.ok(read.status === 'fulfilled' && read.value.equals(kept), `round ${round}`);
      good += 1;
    } else {
      assert.ok(lies, `round ${round}: ${verified.reason}`);
      assert.equal(verified.reason.code, 'corrupt');
      assert.equal(store.findBlob(blob.digest), undefined);
      bad += 1;
    }
  }
  assert.ok(good > 10 && bad < 12, `${good} good, ${bad} bad`);
});

test('what is left of one process is taken up by the next, byte for byte', async () => {
  const client = new Client();
  const content = noise(50_000, 3);
  const blob = client.add(content);
  client.behave = ({ start }) => (start >= 15_000 ? { breaksAfter: 0 } : {});
  {
    await using running = downloads(client, { retries: 0, connections: 1 });
    await running.fetch(name, blob);
    await assert.rejects(running.verify(blob.digest), { code: 'unavailable' });
  }
  assert.equal(store.findBlob(blob.digest), undefined);
  client.behave = () => ({});
  client.requests.length = 0;
  await using running = downloads(client);
  await running.fetch(name, blob);
  assert.equal(running.isResumed(blob.digest), true);
  await running.verify(blob.digest);
  await running.finish();
  assert.equal(running.fetched, 35_000);
  assert.equal(Math.min(...client.requests.map(({ start }) => start)), 15_000);
  assert.ok(readFileSync(store.findBlob(blob.digest)!.path).equals(content));
});

test('a wrong blob is not kept, and what was left of it neither', async () => {
  const client = new Client();
  const blob = client.add(noise(9000, 4));
  client.behave = () => ({ bend: bytes => Buffer.from(bytes).fill(0, 10, 20) });
  {
    await using running = downloads(client);
    await running.fetch(name, blob);
    await assert.rejects(running.verify(blob.digest), { code: 'corrupt' });
  }
  client.behave = () => ({});
  await using running = downloads(client);
  await running.fetch(name, blob);
  assert.equal(running.isResumed(blob.digest), false);
  await running.verify(blob.digest);
});

test('more bytes than asked for are an error, not a longer blob', async () => {
  const client = new Client();
  // The last chunk brings it: after one that completes the blob, who reads it may be done already.
  const blob = client.add(noise(2500, 5));
  client.behave = () => ({ extra: 1 });
  await using running = downloads(client);
  await running.fetch(name, blob);
  await assert.rejects(running.verify(blob.digest), { code: 'corrupt', message: /more than/ });
});

test('a blob that cannot be had aborts the signal with the error, and everybody who waits hears it', async () => {
  const client = new Client();
  const [first, second] = [client.add(noise(3000, 6)), client.add(noise(3000, 7))];
  client.behave = ({ digest }) => (digest === second.digest ? { breaksAfter: 0 } : {});
  await using running = downloads(client, { retries: 0 });
  await Promise.all([running.fetch(name, first), running.fetch(name, second)]);
  await assert.rejects(running.verify(second.digest), { code: 'unavailable' });
  assert.equal(running.signal.aborted, true);
  assert.equal((running.signal.reason as ShaleError).code, 'unavailable');
  await assert.rejects(running.finish(), { code: 'unavailable' });
});

test('two who want the same blob at once share one download', async () => {
  const client = new Client();
  const content = noise(20_000, 8);
  const blob = client.add(content);
  await using one = downloads(client);
  await using other = downloads(client);
  await one.fetch(name, blob);
  const waiting = other.fetch(name, blob);
  await one.verify(blob.digest);
  await one.finish();
  const location = await waiting;
  assert.equal(location.arrival, undefined);
  assert.equal(one.fetched + other.fetched, content.length);
});

test('two who wait for each other’s blobs do not wait for ever', async () => {
  const client = new Client();
  const [first, second] = [client.add(noise(3000, 9)), client.add(noise(3000, 10))];
  await using one = downloads(client);
  await using other = downloads(client);
  await one.fetch(name, first);
  await other.fetch(name, second);
  // Neither reads its own before it has the other's.
  const locations = await Promise.all([one.fetch(name, second), other.fetch(name, first)]);
  assert.deepEqual(
    locations.map(({ arrival }) => arrival),
    [undefined, undefined],
  );
});

test('an empty blob needs no request', async () => {
  const client = new Client();
  const blob = client.add(Buffer.alloc(0));
  await using running = downloads(client);
  await running.fetch(name, blob);
  await running.verify(blob.digest);
  await running.finish();
  assert.equal(client.requests.length, 0);
  assert.equal(store.findBlob(blob.digest, 0)?.size, 0);
});

test('what is asked for and given up at once holds nobody up', async () => {
  const client = new Client();
  const blob = client.add(noise(3000, 11));
  const givenUp = downloads(client);
  const location = givenUp.fetch(name, blob);
  await Promise.all([givenUp[Symbol.asyncDispose](), location.catch(() => {})]);
  await using running = downloads(client, { signal: AbortSignal.timeout(5000) });
  await running.fetch(name, blob);
  await running.verify(blob.digest);
  await running.finish();
});

test('a size that no blob has costs neither memory nor time', async () => {
  const client = new Client();
  const blob = { ...client.add(noise(3000, 12)), size: Number.MAX_SAFE_INTEGER };
  await using running = downloads(client, { segmentBytes: 1, connections: 1, retries: 0 });
  client.behave = () => ({ breaksAfter: 0 });
  await running.fetch(name, blob);
  await assert.rejects(running.verify(blob.digest), { code: 'unavailable' });
});

test('what came in another way has nothing to be verified; an abort is an error of ours', async () => {
  const client = new Client();
  const blob = client.add(noise(3000, 13));
  await using running = downloads(client);
  await running.verify(blob.digest);
  await using aborted = downloads(client, { signal: AbortSignal.abort() });
  await assert.rejects(aborted.finish(), { name: 'HostError', code: 'cancelled' });
});
