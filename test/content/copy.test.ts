import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  type Bytes,
  copy,
  type Fetcher,
  type GraphManifest,
  type Pusher,
  type PushOptions,
  readGraph,
  type Transferred,
} from '../../src/content/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import { type Descriptor, type Digest, digestHex, mediaTypes } from '../../src/oci/index.ts';
import { type Fields, Files, sha256 } from '../archive/fixture.ts';
import { shaleError } from '../oci/throws.ts';

const emptyDescriptor = {
  annotations: {},
  platform: undefined,
  artifactType: undefined,
  data: undefined,
};
const descriptorOf = (fields: Fields) => ({ ...emptyDescriptor, ...fields }) as unknown as Descriptor;
const nameOf = (digest: Digest) => `blobs/sha256/${digestHex(digest)}`;

/** The blobs of a layout; what is read can be bent. */
class MemoryFetcher implements Fetcher {
  readonly place = 'the memory';
  readonly files: Files;
  readonly opened: { digest: Digest; offset: number }[] = [];
  bend: (bytes: Buffer, digest: Digest, offset: number) => Buffer = bytes => bytes;
  chunk = 7;

  constructor(files: Files) {
    this.files = files;
  }

  async readManifest({ digest }: Descriptor): Promise<Uint8Array> {
    return this.bend(this.#find(digest), digest, 0);
  }

  async *openBlob({ digest }: Descriptor, offset: number): Bytes {
    this.opened.push({ digest, offset });
    const bytes = this.bend(this.#find(digest).subarray(offset), digest, offset);
    for (let at = 0; at < bytes.length; at += this.chunk) yield bytes.subarray(at, at + this.chunk);
  }

  async hasBlob({ digest }: Descriptor): Promise<boolean> {
    return this.files.map.has(nameOf(digest));
  }

  async findReferrers(subject: Digest): Promise<readonly Descriptor[]> {
    return this.referrers.get(subject) ?? [];
  }

  readonly referrers = new Map<string, readonly Descriptor[]>();

  #find(digest: Digest): Buffer {
    const found = this.files.map.get(nameOf(digest));
    if (found === undefined)
      throw new ShaleError('not-found', `there is no ${digest}`, { hint: 'look again' });
    return found;
  }
}

class MemoryPusher implements Pusher {
  readonly place = 'the other memory';
  readonly blobs = new Map<Digest, Buffer>();
  readonly manifests = new Map<Digest, GraphManifest>();
  active = 0;
  most = 0;

  async pushBlob(
    blob: Descriptor,
    open: (offset: number) => Bytes,
    options: PushOptions,
  ): Promise<Transferred> {
    this.most = Math.max(this.most, ++this.active);
    try {
      if (this.blobs.has(blob.digest)) return 'exists';
      this.blobs.set(blob.digest, await this.take(blob, open, options));
      return 'pushed';
    } finally {
      this.active--;
    }
  }

  async take(_blob: Descriptor, open: (offset: number) => Bytes, options: PushOptions): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of open(0)) {
      chunks.push(chunk);
      options.onProgress?.(chunks.reduce((sum, { length }) => sum + length, 0));
      await setTimeout(1);
    }
    return Buffer.concat(chunks);
  }

  async pushManifest(manifest: GraphManifest): Promise<Transferred> {
    const { content, descriptor } = manifest;
    const named = content.kind === 'index' ? content.manifests : [content.config, ...content.layers];
    for (const { digest } of named) {
      assert.ok(
        this.blobs.has(digest) || this.manifests.has(digest),
        `${descriptor.digest} before ${digest}`,
      );
    }
    this.manifests.set(descriptor.digest, manifest);
    return 'pushed';
  }
}

/** Two platforms that share a layer, in an index within an index, with an attestation. */
function makeImages() {
  const files = new Files();
  const one = files.image(['shared layer', 'first of its own'], {
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const two = files.image(['shared layer', 'second of its own', 'third'], {
    config: { architecture: 'arm64' },
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const attestation = files.image(['{"proof":1}'], {
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  });
  const inner = files.index([one, two, attestation]);
  const root = files.index([inner, two]);
  return { files, root: descriptorOf(root), one: descriptorOf(one) };
}

test('a graph arrives whole, parts before wholes, several blobs at once, everything once', async () => {
  const { files, root } = makeImages();
  const fetcher = new MemoryFetcher(files);
  const pusher = new MemoryPusher();
  const events = new Map<Digest, number[]>();
  const graph = await readGraph(fetcher, root);
  const copied = await copy(fetcher, pusher, graph, {
    blobsAtOnce: 3,
    onProgress: ({ blob, taken }) => events.set(blob.digest, [...(events.get(blob.digest) ?? []), taken]),
  });
  assert.equal(pusher.blobs.size + pusher.manifests.size, files.map.size);
  for (const [digest, bytes] of pusher.blobs) assert.equal(`sha256:${sha256(bytes)}`, digest);
  for (const [digest, { bytes }] of pusher.manifests) assert.equal(`sha256:${sha256(bytes)}`, digest);
  assert.equal([...pusher.manifests.keys()].at(-1), root.digest);
  assert.equal(pusher.most, 3);
  const opened = fetcher.opened.map(({ digest }) => digest);
  assert.equal(new Set(opened).size, opened.length);
  assert.deepEqual(new Set(copied.map(({ how }) => how)), new Set(['pushed']));
  assert.deepEqual(
    copied.map(({ descriptor }) => nameOf(descriptor.digest)).sort(),
    [...files.map.keys()].sort(),
  );
  for (const { size, digest } of graph.blobs) {
    const taken = events.get(digest)!;
    assert.deepEqual(
      [taken.at(-1), taken.every((count, at) => at === 0 || count >= taken[at - 1]!)],
      [size, true],
    );
  }
});

test('one manifest of an index can be copied alone; what is there is not read again', async () => {
  const { files, one } = makeImages();
  const fetcher = new MemoryFetcher(files);
  const pusher = new MemoryPusher();
  await copy(fetcher, pusher, await readGraph(fetcher, one));
  assert.deepEqual([...pusher.manifests.keys()], [one.digest]);
  assert.equal(pusher.blobs.size, 3);
  const before = fetcher.opened.length;
  const again = await copy(fetcher, pusher, await readGraph(fetcher, one));
  assert.equal(fetcher.opened.length, before);
  assert.deepEqual(
    again.map(({ how }) => how),
    ['exists', 'exists', 'exists', 'pushed'],
  );
});

test('wrong content never ends at the target, and the source is to blame', async () => {
  const { files, one } = makeImages();
  for (const [what, bend] of [
    ['a flipped bit', (bytes: Buffer) => Buffer.from(bytes).fill(bytes[2]! ^ 1, 2, 3)],
    ['too short', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['too long', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ] as const) {
    const fetcher = new MemoryFetcher(files);
    const graph = await readGraph(fetcher, one);
    const victim = graph.blobs.at(-1)!;
    fetcher.bend = (bytes, digest) => (digest === victim.digest ? bend(bytes) : bytes);
    const pusher = new MemoryPusher();
    let taken = 0;
    pusher.take = async (blob, open) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of open(0)) {
        chunks.push(chunk);
        if (blob.digest === victim.digest) taken += chunk.length;
      }
      return Buffer.concat(chunks);
    };
    await assert.rejects(copy(fetcher, pusher, graph), error => {
      assert.ok(error instanceof ShaleError);
      assert.deepEqual([error.code, error.detail.side], ['corrupt', 'source'], what);
      assert.match(error.message, /cannot read the source the memory: blob sha256:.* is corrupt/);
      return true;
    });
    assert.ok(taken < victim.size, `${what}: ${taken} of ${victim.size} bytes were handed on`);
    assert.ok(!pusher.blobs.has(victim.digest) && pusher.manifests.size === 0, what);
    assert.equal(pusher.active, 0);
  }
  const fetcher = new MemoryFetcher(files);
  fetcher.bend = () => Buffer.from('{}');
  await assert.rejects(
    readGraph(fetcher, one),
    shaleError('corrupt', /cannot read the source.*manifest sha256/),
  );
});

test('a failure says whose it was, whoever reports it; code and hint stay', async () => {
  const { files, one } = makeImages();
  const fetcher = new MemoryFetcher(files);
  const graph = await readGraph(fetcher, one);
  const pusher = new MemoryPusher();
  pusher.take = async () => {
    throw new ShaleError('exhausted', 'the disk is full', { hint: 'make room' });
  };
  const failed = (code: string, side: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ShaleError);
    assert.deepEqual([error.code, error.detail.side], [code, side]);
    assert.match(`${error.message} | ${error.hint}`, message);
    return true;
  };
  await assert.rejects(
    copy(fetcher, pusher, graph),
    failed('exhausted', 'target', /cannot write the target the other memory: the disk is full \| make room/),
  );
  files.map.delete(nameOf(graph.blobs[1]!.digest));
  pusher.take = async (_, open) => {
    try {
      for await (const _ of open(0));
      return Buffer.alloc(0);
    } catch {
      throw new ShaleError('unavailable', 'the request body broke');
    }
  };
  await assert.rejects(
    copy(fetcher, pusher, graph),
    failed('not-found', 'source', /cannot read the source the memory: there is no sha256:.* \| look again/),
  );
});

test('a target may ask again, from where it got to: little is read twice, and all of it verified', async () => {
  const files = new Files();
  const layer = Buffer.alloc(40 * 1024 * 1024, 'some bytes to send ');
  const blob = files.blob(mediaTypes.layer, layer);
  const config = files.blob(mediaTypes.config, {});
  const root = descriptorOf(files.blob(mediaTypes.manifest, { schemaVersion: 2, config, layers: [blob] }));
  const fetcher = new MemoryFetcher(files);
  fetcher.chunk = 1024 * 1024 + 1;
  const graph = await readGraph(fetcher, root);
  const offsets = [35_000_000, 17_000_000, 17_000_000, 39_999_999, 1];
  const pusher = new MemoryPusher();
  pusher.take = async ({ size }, open) => {
    const whole = Buffer.alloc(size);
    let [at, attempt] = [0, 0];
    for (;;) {
      for await (const chunk of open(at)) {
        whole.set(chunk, at);
        at += chunk.length;
        if (size > 1000 && at >= (offsets[attempt] ?? Number.POSITIVE_INFINITY)) break;
      }
      if (at === size) return whole;
      at = offsets[attempt++]!;
    }
  };
  await copy(fetcher, pusher, graph);
  assert.ok(pusher.blobs.get(blob.digest as Digest)!.equals(layer));
  const reads = fetcher.opened.filter(({ digest }) => digest === blob.digest);
  assert.equal(reads.length, 6);
  for (const [attempt, offset] of offsets.entries()) {
    const { offset: from } = reads[attempt + 1]!;
    assert.ok(from <= offset && offset - from < 18_000_000, `asked for ${offset}, read from ${from}`);
  }

  // What comes the second time is not trusted more than the first.
  fetcher.bend = (bytes, digest, offset) =>
    digest === blob.digest && offset > 0 ? Buffer.from(bytes).fill(0, 5, 6) : bytes;
  offsets.length = 1;
  const other = new MemoryPusher();
  other.take = pusher.take;
  await assert.rejects(copy(fetcher, other, graph), shaleError('corrupt'));
});

test('a source that breaks once is no failure if the target asks again', async () => {
  const { files, one } = makeImages();
  const fetcher = new MemoryFetcher(files);
  const graph = await readGraph(fetcher, one);
  const broken = new Set<Digest>();
  fetcher.bend = (bytes, digest) => {
    if (broken.has(digest)) return bytes;
    broken.add(digest);
    throw new ShaleError('unavailable', 'reset');
  };
  const pusher = new MemoryPusher();
  const take = pusher.take;
  pusher.take = async (...given) => {
    try {
      return await take(...given);
    } catch {
      return await take(...given);
    }
  };
  await copy(fetcher, pusher, graph);
  assert.equal(pusher.blobs.size, 3);
});

test('an abort ends the copy, and nothing goes on behind its back', async () => {
  const { files, root } = makeImages();
  const fetcher = new MemoryFetcher(files);
  const graph = await readGraph(fetcher, root);
  const pusher = new MemoryPusher();
  const abort = new AbortController();
  const copying = copy(fetcher, pusher, graph, {
    signal: abort.signal,
    onProgress: () => abort.abort(),
    blobsAtOnce: 2,
  });
  await assert.rejects(copying, shaleError('cancelled'));
  assert.equal(pusher.active, 0);
  assert.equal(pusher.manifests.size, 0);
  await assert.rejects(readGraph(fetcher, root, { signal: abort.signal }), shaleError('cancelled'));
});

test('foreign layers that the source lacks are left out; content within a descriptor needs no blob', async () => {
  const files = new Files();
  const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const [there, away] = [files.blob(foreign, Buffer.from('there')), files.blob(foreign, Buffer.from('away'))];
  files.map.delete(nameOf(away.digest as Digest));
  const empty = files.blob(mediaTypes.config, {});
  files.map.delete(nameOf(empty.digest as Digest));
  const config = { ...empty, data: Buffer.from('{}').toString('base64') };
  const manifest = files.blob(mediaTypes.manifest, { schemaVersion: 2, config, layers: [there, away] });
  const fetcher = new MemoryFetcher(files);
  const pusher = new MemoryPusher();
  pusher.pushManifest = async () => 'pushed';
  const copied = await copy(fetcher, pusher, await readGraph(fetcher, descriptorOf(manifest)));
  const how = new Map(copied.map(({ descriptor, how }) => [descriptor.digest as string, how]));
  assert.deepEqual(
    [empty, there, away, manifest].map(({ digest }) => how.get(digest)),
    ['pushed', 'pushed', 'left-out', 'pushed'],
  );
  assert.equal(pusher.blobs.get(empty.digest as Digest)?.toString(), '{}');
});

test('referrers come with their subjects, those of referrers too, and before the root', async () => {
  const { files, root, one } = makeImages();
  const referrer = (text: string) =>
    descriptorOf(files.image([text], { config: { text }, artifactType: 'application/x.signature' }));
  const [signature, countersignature] = [referrer('signature'), referrer('countersignature')];
  const fetcher = new MemoryFetcher(files);
  fetcher.referrers.set(one.digest, [signature]);
  fetcher.referrers.set(signature.digest, [countersignature]);
  assert.equal((await readGraph(fetcher, root)).referrers.length, 0);
  const graph = await readGraph(fetcher, root, { referrers: true });
  assert.deepEqual(graph.referrers, [signature, countersignature]);
  const pusher = new MemoryPusher();
  await copy(fetcher, pusher, graph);
  const order = [...pusher.manifests.keys()];
  assert.ok(order.includes(signature.digest) && order.includes(countersignature.digest));
  assert.equal(order.at(-1), root.digest);
});

test('graphs that cannot be are refused, and reading them is bounded', async () => {
  const files = new Files();
  const image = files.image(['x']);
  let deep: Fields = image;
  for (let level = 0; level < 9; level++) deep = files.index([deep]);
  await assert.rejects(
    readGraph(new MemoryFetcher(files), descriptorOf(deep)),
    shaleError('invalid', /levels deep/),
  );

  let diamond: Fields = image;
  for (let level = 0; level < 7; level++) {
    diamond = files.index([diamond, diamond]);
  }
  const fetcher = new MemoryFetcher(files);
  let reads = 0;
  fetcher.bend = bytes => {
    reads++;
    return bytes;
  };
  const graph = await readGraph(fetcher, descriptorOf(diamond));
  assert.equal(reads, graph.manifests.length);

  const liar = files.blob(mediaTypes.manifest, {
    schemaVersion: 2,
    config: files.blob(mediaTypes.config, {}),
    layers: [
      files.blob(mediaTypes.layer, Buffer.from('abc')),
      files.blob(mediaTypes.layer, Buffer.from('abc'), { size: 4 }),
    ],
  });
  await assert.rejects(readGraph(fetcher, descriptorOf(liar)), shaleError('invalid', /disagree on the size/));
});
