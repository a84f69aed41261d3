import assert from 'node:assert/strict';
import { test } from 'node:test';
import { superblockChecksum } from '../../src/erofs/checksum.ts';
import { type ErofsImage, type ImageSource, openErofs, writeErofs } from '../../src/erofs/index.ts';
import { chunkIndex, deviceSlot, superblock, superblockOffset } from '../../src/erofs/layout.ts';
import { headSize } from '../../src/erofs/superblock-writer.ts';
import { Warnings } from '../../src/error/index.ts';
import { bytesSource } from '../../src/squashfs/index.ts';
import { type Inode, mapContent, validateTree } from '../../src/tree/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { directory, file, listSample, listTree, plain, randomTree, type Sample } from '../squashfs/sample.ts';
import { type BuildOptions, type Built, buildErofs, type Storage, withTimes } from './built-image.ts';

function open({ image, devices }: Built): ErofsImage {
  return openErofs(bytesSource(image), { devices: devices.map(bytesSource) });
}

function readAll(image: ErofsImage, inode: Parameters<ErofsImage['read']>[0]): Buffer {
  return Buffer.concat([...image.read(inode)]);
}

const storages: readonly Storage[] = ['plain', 'inline', 'chunked', 'device', 'lz4', 'deflate', 'zstd'];
const forms: readonly (BuildOptions & { readonly name: string })[] = [
  ...storages.map(kind => ({ name: kind, storage: () => kind, deviceCount: kind === 'device' ? 3 : 0 })),
  { name: 'inline, blocks of 512 bytes', blockSize: 512 },
  { name: 'chunks of 8 blocks of 1024 bytes', blockSize: 1024, chunkBytes: 8192, storage: () => 'chunked' },
  { name: 'zstd in extents of a block', extentBytes: 4096, storage: () => 'zstd' },
  { name: 'long prefixes', xattrPrefixes: ['trusted.sha', 'security.shared', 'user.a'] },
];

for (const form of forms) {
  test(`a tree comes back as it was written: ${form.name}`, t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    const sample = withTimes(
      randomTree(random, { entries: 150, blockSize: form.blockSize ?? 4096, largeXattrs: true }),
      random,
    );
    const built = buildErofs(sample, form);
    using image = open(built);
    const tree = image.tree();
    assert.deepEqual(
      listTree(tree, inode => readAll(image, inode)),
      listSample(sample),
    );
    for (const { path, inode } of tree.nodes) {
      const found = image.lookup(`/${path}/`);
      assert.equal(found.type, inode.type);
      assert.deepEqual(image.xattrs(found), inode.xattrs);
      if (found.type === 'file' && inode.type === 'file') {
        assert.deepEqual(readAll(image, found), readAll(image, inode));
      }
    }
  });
}

/** Counts what is read. */
function counted(source: ImageSource): ImageSource & { bytes: number } {
  const counting = {
    size: source.size,
    bytes: 0,
    readAt(position: number, target: Uint8Array) {
      counting.bytes += target.length;
      source.readAt(position, target);
    },
  };
  return counting;
}

test('a name is found among 64 000 by reading a few blocks, and all of them are read soon', () => {
  const names = Array.from({ length: 64_000 }, (_, index) => `name-${String(index).padStart(5, '0')}`);
  const many = directory(new Map(names.map(name => [name, file(name)])));
  const { image } = buildErofs(directory({ many }));
  const source = counted(bytesSource(image));
  using opened = openErofs(source);
  for (const index of [0, 1, 31_999, 32_000, 63_998, 63_999]) {
    source.bytes = 0;
    const found = opened.lookup(`many/${names[index]}`);
    assert.equal(found.type === 'file' && readAll(opened, found).toString(), names[index]);
    assert.ok(source.bytes < 300_000, `${source.bytes} of ${image.length} bytes`);
  }
  for (const missing of ['', 'a', 'name-', 'name-64000', 'name-00000x', 'z', '.', '..']) {
    const parent = opened.lookup('many');
    assert.equal(parent.type === 'directory' && opened.find(parent, missing), undefined, missing);
  }
  assert.throws(() => opened.lookup('many/name-00001/x'), { code: 'not-found' });
  assert.throws(() => opened.lookup('nothing'), { code: 'not-found' });
  const began = performance.now();
  assert.equal(opened.tree().nodes.length, 64_002);
  const took = performance.now() - began;
  assert.ok(took < 5000, `${took} ms`);
});

test('extents say where the bytes of a file lie, on which device, and where nothing is stored', () => {
  const bytes = Buffer.alloc(10 * 4096 + 77);
  for (let block = 0; block < 11; block++) if (block % 4 !== 1) bytes.fill(0x41 + block, block * 4096);
  bytes
    .fill(0, 4096, 8192)
    .fill(0, 5 * 4096, 6 * 4096)
    .fill(0, 9 * 4096, 10 * 4096);
  for (const kind of ['plain', 'inline', 'chunked', 'device'] as const) {
    // Of these the builder puts the first onto the image, the others onto devices, in turn.
    const files = { a: file(bytes), b: file(Buffer.concat([bytes])), c: file(Buffer.concat([bytes])) };
    const built = buildErofs(directory(files), { storage: () => kind, deviceCount: 2 });
    using image = open(built);
    const nodes = image.tree().root.entries;
    const sources = [built.image, ...built.devices];
    for (const [index, name] of Object.keys(files).entries()) {
      const found = image.lookup(name);
      assert.ok(found.type === 'file');
      const extents = [...image.extents(found)];
      const parts = extents.map(extent =>
        extent.device === undefined
          ? Buffer.alloc(extent.length)
          : sources[extent.device]!.subarray(extent.position, extent.position + extent.length),
      );
      assert.deepEqual(Buffer.concat(parts), bytes, kind);
      const holes = extents.filter(({ device }) => device === undefined).map(({ length }) => length);
      assert.deepEqual(holes, kind === 'chunked' || kind === 'device' ? [4096, 4096, 4096] : [], kind);
      const devices = new Set(extents.flatMap(({ device }) => device ?? []));
      assert.deepEqual([...devices], [kind === 'device' ? index : 0]);
      const { inode } = nodes[index]!.node;
      assert.ok(inode.type === 'file');
      assert.deepEqual([...image.extents(inode)], extents);
    }
  }
});

test('a compressed file has clusters, and no extents', () => {
  const bytes = Buffer.alloc(200_000, 'compressible ');
  const built = buildErofs(directory({ file: file(bytes) }), { storage: () => 'zstd', extentBytes: 65536 });
  using image = open(built);
  const found = image.lookup('file');
  assert.ok(found.type === 'file');
  const clusters = [...image.clusters(found)];
  assert.deepEqual(
    clusters.map(({ offset, length }) => [offset, length]),
    [
      [0, 65536],
      [65536, 65536],
      [131072, 65536],
      [196608, 3392],
    ],
  );
  assert.throws(() => [...image.extents(found)], { code: 'unsupported' });
});

test('without its devices an image is listed, and says which one it needs for a content', () => {
  // The builder puts the first file onto the image, the second onto the device.
  const root = directory({ 0: file('inside'), a: file('x'.repeat(5000)), b: file() });
  const inside = buildErofs(root, { storage: () => 'device', deviceCount: 1, chunkBytes: 4096 });
  using image = openErofs(bytesSource(inside.image));
  assert.equal(image.tree().nodes.length, 4);
  assert.deepEqual(
    image.superblock.devices.map(({ tag }) => tag),
    ['device-1'],
  );
  const a = image.lookup('a');
  assert.ok(a.type === 'file');
  assert.throws(() => readAll(image, a), { code: 'not-found', message: /device 1.*device-1/ });
  assert.deepEqual([...image.extents(a)], [{ device: 1, position: 0, length: 5000 }]);
  const first = image.lookup('0');
  assert.equal(first.type === 'file' && readAll(image, first).toString(), 'inside');
  const b = image.lookup('b');
  assert.equal(b.type === 'file' && readAll(image, b).length, 0);
});

/** As images are that are put on one block device with what they are made over. */
test('a place behind the image is one on the device that is mapped there', () => {
  const root = directory({ 0: file('inside'), a: file('x'.repeat(9000)) });
  const { image, devices } = buildErofs(root, { storage: () => 'device', deviceCount: 1 });
  const good = openErofs(bytesSource(image));
  const a = good.lookup('a');
  assert.ok(a.type === 'file' && a.content.kind === 'chunk table' && a.content.hasDevices);
  const mappedBlock = 5000;
  const slot = image.indexOf('device-1');
  image.writeUInt32LE(mappedBlock, slot + deviceSlot.offsets.mappedBlock);
  for (let chunk = 0; chunk < 3; chunk++) {
    const at: number = a.content.position + chunk * chunkIndex.size;
    assert.equal(image.readUInt16LE(at + chunkIndex.offsets.device), 1);
    image.writeUInt16LE(0, at + chunkIndex.offsets.device);
    image.writeUInt32LE(image.readUInt32LE(at + 4) + mappedBlock, at + chunkIndex.offsets.block);
  }
  const sum = superblockChecksum(image.subarray(superblockOffset, 4096));
  image.writeUInt32LE(sum, superblockOffset + superblock.offsets.checksum);
  using opened = openErofs(bytesSource(image), { devices: devices.map(bytesSource) });
  const mapped = opened.lookup('a');
  assert.ok(mapped.type === 'file');
  assert.equal(readAll(opened, mapped).toString(), 'x'.repeat(9000));
  assert.deepEqual([...opened.extents(mapped)], [{ device: 1, position: 0, length: 9000 }]);
});

test('a file that is one hole of gigabytes is read in pieces', () => {
  const size = 3 * 2 ** 30 + 5;
  const root = directory({ hole: { ...plain, type: 'file', size, content: Buffer.alloc(0) } as Sample });
  const chunkBytes = 2 ** 30;
  const tree = mapContent(validateTree(root as Inode<Buffer>), () => ({
    kind: 'chunked' as const,
    chunkBytes,
    starts: [-1, -1, -1, -1],
  }));
  const options = {
    blockSize: 4096,
    identity: new Uint8Array(1),
    warnings: new Warnings(),
  } as const;
  const chunks: Buffer[] = [Buffer.alloc(headSize(options))];
  const output = {
    append: (bytes: Uint8Array) => void chunks.push(Buffer.from(bytes)),
    get position() {
      return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    },
  };
  const { head } = writeErofs(output, tree, options);
  const bytes = Buffer.concat(chunks);
  bytes.set(head);
  using image = openErofs(bytesSource(bytes));
  const hole = image.lookup('hole');
  assert.ok(hole.type === 'file');
  assert.deepEqual([...image.extents(hole)], [{ device: undefined, length: size }]);
  let total = 0;
  for (const chunk of image.read(hole)) {
    assert.ok(chunk.length <= 1024 * 1024);
    total += chunk.length;
    if (total === chunk.length) assert.ok(chunk.every(byte => byte === 0));
    if (total > 64 * 1024 * 1024) break;
  }
  assert.ok(total > 64 * 1024 * 1024);
});

test('a tree that takes more than it may is exhausted', () => {
  const names = Array.from({ length: 1000 }, (_, index) => [`${index}`, file()] as const);
  const { image } = buildErofs(directory(new Map(names)));
  assert.throws(() => openErofs(bytesSource(image), { treeBytes: 100_000 }).tree(), { code: 'exhausted' });
  const large = directory({
    a: { ...file(), xattrs: new Map([['user.a', Buffer.alloc(60_000)]]) } as Sample,
  });
  using opened = openErofs(bytesSource(buildErofs(large).image), { treeBytes: 50_000 });
  assert.throws(() => opened.tree(), { code: 'exhausted' });
  assert.throws(() => opened.xattrs(opened.lookup('a')), { code: 'exhausted' });
});
