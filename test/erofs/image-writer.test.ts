import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErofsError, emptyFile, type FileData, headSize, writeErofs } from '../../src/erofs/index.ts';
import { compatible, incompatible, superblock, superblockOffset } from '../../src/erofs/layout.ts';
import { Warnings } from '../../src/error/index.ts';
import { type DirectoryInode, type Inode, noXattrs, validateTree } from '../../src/tree/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { directory, file, plain, randomTree, type Sample } from '../squashfs/sample.ts';
import { type BuildOptions, buildErofs } from './built-image.ts';

const build = (root: Sample, options?: BuildOptions) => {
  const { image } = buildErofs(root, options);
  return { image, fields: superblock.read(image, superblockOffset) };
};

test('the same tree gives the same bytes, and another identity another UUID', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const make = (identity: string): Buffer =>
    build(randomTree(createRandom(seed), { entries: 300 }), { identity: Buffer.from(identity) }).image;
  assert.deepEqual(make('a'), make('a'));
  const [a, b] = [make('a'), make('b')];
  const { uuid, checksum } = superblock.offsets;
  const differing = [...a.keys()].filter(at => a[at] !== b[at]);
  const within = (at: number, from: number, size: number): boolean => at >= from && at < from + size;
  assert.ok(differing.length > 8);
  for (const at of differing) {
    const field = at - superblockOffset;
    assert.ok(within(field, uuid, 16) || within(field, checksum, 4), `byte ${at}`);
  }
});

test('the UUID is one of version 8', () => {
  for (let seed = 0; seed < 20; seed++) {
    const { uuid } = buildErofs(directory({ a: file(`${seed}`) }), { identity: Buffer.from([seed]) });
    assert.equal(Math.floor(uuid[6]! / 16), 8);
    assert.equal(Math.floor(uuid[8]! / 64), 2);
  }
});

test('the root has a nid that is not 0, and fits 16 bits even with many xattrs', () => {
  const xattrs = new Map(
    Array.from({ length: 200 }, (_, index) => [`user.${index}`, Buffer.alloc(1000, index)] as const),
  );
  const { fields } = build({ ...directory({ a: file('x') }), xattrs } as Sample);
  assert.ok(fields.rootNid > 0);
});

test('an image asks for nothing that it does not use', () => {
  const text = file('x'.repeat(20_000));
  assert.equal(build(directory({ text })).fields.incompatible, 0);
  assert.equal(
    build(directory({ text }), { storage: () => 'chunked' }).fields.incompatible,
    incompatible.chunkedFiles,
  );
  assert.equal(
    build(directory({ text }), { storage: () => 'zstd' }).fields.incompatible,
    incompatible.zeroPadding + incompatible.compressionConfigs,
  );
  assert.equal(
    build(directory({ text }), { storage: () => 'device', deviceCount: 2 }).fields.incompatible,
    incompatible.chunkedFiles + incompatible.deviceTable,
  );
  assert.equal(
    build(directory({ text }), { xattrPrefixes: ['trusted.overlay.'] }).fields.incompatible,
    incompatible.xattrPrefixes,
  );
  const { fields } = build(directory({ text }), { storage: () => 'deflate' });
  assert.equal(fields.algorithms, 4, 'only deflate');
});

test('xattrs bring their filter, blocks over 1 KiB their checksum', () => {
  const withXattr = { ...file('x'), xattrs: new Map([['user.a', Buffer.from('1')]]) } as Sample;
  assert.equal(build(directory()).fields.compatible, compatible.checksum + compatible.mtime);
  assert.equal(
    build(directory({ withXattr })).fields.compatible,
    compatible.checksum + compatible.mtime + compatible.xattrFilter,
  );
  assert.equal(build(directory(), { blockSize: 512 }).fields.compatible, compatible.mtime);
});

test('the time of most inodes is the one that needs no room, the earliest of several', () => {
  const at = (seconds: number, nanoseconds = 0): Sample =>
    ({ ...file(`${seconds}`), mtime: { seconds, nanoseconds } }) as Sample;
  const most = build(directory({ a: at(5), b: at(5, 7), c: at(5, 7), d: at(-3) })).fields;
  assert.deepEqual([most.buildSeconds, most.buildNanoseconds], [5, 7]);
  const root = {
    ...directory({ a: at(9), b: at(-9, 5), c: at(-9, 4) }),
    mtime: { seconds: 9, nanoseconds: 1 },
  };
  const tie = build(root as Sample).fields;
  assert.deepEqual([tie.buildSeconds, tie.buildNanoseconds], [-9, 4]);
});

test('what two inodes have in common is stored once', () => {
  const value = Buffer.alloc(5000, 'value');
  const many = (count: number): number => {
    const children = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `f${index}`,
        { ...file(''), xattrs: new Map([['user.large', value]]) } as Sample,
      ]),
    );
    return build(directory(children)).image.length;
  };
  assert.equal(many(100) - many(20) < 80 * 100 + 4096, true);
});

test('xattrs that EROFS cannot hold are left out with a warning', () => {
  const warnings = new Warnings();
  const xattrs = new Map<string, Uint8Array>([
    ['user.fine', Buffer.from('1')],
    ['system.posix_acl_access', Buffer.from('020000000100060000000400040000002000040000000000', 'hex')],
    ['system.other', Buffer.from('1')],
    ['user.', Buffer.from('1')],
    [`user.${'n'.repeat(251)}`, Buffer.from('1')],
    ['user.large', Buffer.alloc(65536)],
    ['other.namespace', Buffer.from('1')],
  ]);
  build(directory({ a: { ...file('x'), xattrs } as Sample }), { warnings });
  assert.equal(warnings.counts.get('xattr-dropped'), 5);
  assert.match(warnings.examples[0]!.message, /of \/a is left out/);
});

test('an inode has room for thousands of xattrs, and not for any number', () => {
  const xattrs = new Map(
    Array.from({ length: 20_000 }, (_, index) => [`user.${index}`, Buffer.alloc(20, index)] as const),
  );
  const warnings = new Warnings();
  build(directory({ a: { ...file('x'), xattrs } as Sample }), { warnings });
  assert.ok(warnings.counts.get('xattr-dropped')! > 0);
  const few = new Map([...xattrs].slice(0, 7000));
  const none = new Warnings();
  build(directory({ a: { ...file('x'), xattrs: few } as Sample }), { warnings: none });
  assert.equal(none.total, 0);
});

test('what has no room in the format is an error that names it', () => {
  const unsupported = (inode: Sample, pattern: RegExp): void => {
    assert.throws(
      () => build(directory({ name: inode })),
      (error: unknown) =>
        error instanceof ErofsError && error.code === 'unsupported' && pattern.test(error.message),
    );
  };
  unsupported({ ...plain, type: 'symlink', target: 'x'.repeat(4096) }, /4096 bytes, 4095 at most: \/name/);
  unsupported({ ...plain, type: 'block', major: 4096, minor: 0 }, /4096:0.*\/name/);
  unsupported({ ...plain, type: 'character', major: 0, minor: 1048576 }, /0:1048576.*\/name/);
});

test('data that contradicts its file is an error of ours', () => {
  const contradicting = (size: number, content: FileData, message: RegExp): void => {
    const root: DirectoryInode<FileData> = {
      ...plain,
      type: 'directory',
      children: new Map<string, Inode<FileData>>([['name', { ...plain, type: 'file', size, content }]]),
    };
    const output = { position: 4096, append: () => {} };
    const options = { blockSize: 4096, identity: new Uint8Array(0), warnings: new Warnings() } as const;
    assert.throws(() => writeErofs(output, validateTree(root), options), message);
  };
  contradicting(100, { kind: 'plain', start: 4097 }, /does not fit it/);
  contradicting(4096, { kind: 'inline', start: 4096 }, /does not fit it/);
  contradicting(100, { kind: 'inline', start: 4096 }, /nothing gives the tail/);
  contradicting(5000, { kind: 'chunked', chunkBytes: 4096, starts: [4096] }, /does not fit it/);
  contradicting(5000, { kind: 'chunked', chunkBytes: 5000, starts: [4096] }, /does not fit it/);
  contradicting(100, { kind: 'chunked', chunkBytes: 4096, starts: [4096], devices: [1] }, /does not fit it/);
  const two = { kind: 'chunked', chunkBytes: 4096, starts: [4096, 8192] } as const;
  contradicting(5000, { ...two, devices: [0, 1] }, /does not fit it/);
  contradicting(
    9000,
    { kind: 'compressed', algorithm: 'lz4', extentBytes: 8192, starts: [4096], stored: [4096] },
    /does not fit it/,
  );
  contradicting(2 ** 50, { kind: 'plain', start: 2 ** 32 * 4096 }, /behind 2\^32 blocks/);
});

test('the head has room for what was announced', () => {
  const device = { tag: 'a', bytes: 1 };
  assert.equal(headSize({ blockSize: 4096 }), 4096);
  assert.equal(headSize({ blockSize: 512 }), 1536);
  assert.equal(headSize({ blockSize: 4096, devices: Array(22).fill(device) }), 4096);
  assert.equal(headSize({ blockSize: 4096, devices: Array(24).fill(device) }), 8192);
  assert.throws(() => headSize({ blockSize: 4096, devices: Array(65536).fill(device) }), /65535 at most/);
  assert.throws(() => headSize({ blockSize: 4096, xattrPrefixes: ['system.x'] }), /cannot be a prefix/);
  const options = { identity: new Uint8Array(0), warnings: new Warnings(), blockSize: 4096 } as const;
  const tree = validateTree<FileData>({ ...plain, type: 'directory', children: new Map() });
  const make = (more: object) =>
    writeErofs({ position: 4096, append: () => {} }, tree, { ...options, ...more });
  assert.throws(() => make({ volumeName: 'sixteen letters!' }), /cannot name a volume/);
  assert.throws(() => make({ devices: [{ tag: '', bytes: 1 }] }), /cannot be a device's tag/);
});

test('metadata of a large tree is handed on in pieces, tails read one by one', () => {
  const children = new Map<string, Inode<FileData>>();
  const content: FileData = { kind: 'inline', start: 0 };
  const common = { ...plain, xattrs: noXattrs, type: 'file' } as const;
  for (let index = 0; index < 20_000; index++) {
    children.set(`file${index}`, { ...common, size: 1 + (index % 4000), content });
  }
  children.set('empty', { ...common, size: 0, content: emptyFile });
  let largest = 0;
  let asked = 0;
  const output = {
    position: 4096,
    append(bytes: Uint8Array): void {
      largest = Math.max(largest, bytes.length);
      this.position += bytes.length;
    },
  };
  const tree = validateTree<FileData>({ ...plain, type: 'directory', children });
  const { size } = writeErofs(output, tree, {
    blockSize: 4096,
    identity: new Uint8Array(0),
    warnings: new Warnings(),
    readTail(node, target) {
      asked += 1;
      assert.equal(node.inode.type === 'file' && node.inode.size, target.length);
    },
  });
  assert.equal(asked, 20_000);
  assert.equal(size, output.position);
  assert.ok(size > 38_000_000);
  assert.ok(largest <= 2 ** 20);
});
