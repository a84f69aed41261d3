import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Warnings } from '../../src/error/index.ts';
import {
  bytesSource,
  compressorOptions,
  openSquashfs,
  SquashfsError,
  writeTables,
} from '../../src/squashfs/index.ts';
import { type FileInode, type Inode, noXattrs, validateTree } from '../../src/tree/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { listImage } from './read-back.ts';
import { buildImage, directory, file, listSample, plain, randomTree, type Sample } from './sample.ts';

test('what is written is read back, with every compression and block size', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  for (const compression of ['gzip', 'zstd', 'lz4', 'none'] as const) {
    for (const blockSize of [4096, 131072]) {
      const tree = randomTree(random, { entries: 150, largeXattrs: true });
      assert.deepEqual(listImage(buildImage(tree, { compression, blockSize })), listSample(tree));
    }
  }
});

test('the same tree gives the same bytes, in whatever order its names and xattrs come', () => {
  const tree = randomTree(createRandom(7), { entries: 300 });
  const turned = (inode: Sample, known = new Map<Sample, Sample>()): Sample => {
    const done = known.get(inode);
    if (done !== undefined) return done;
    const xattrs = new Map([...inode.xattrs].reverse());
    const copy: Sample =
      inode.type === 'directory'
        ? {
            ...inode,
            xattrs,
            children: new Map(
              [...inode.children].reverse().map(([name, child]) => [name, turned(child, known)]),
            ),
          }
        : { ...inode, xattrs };
    known.set(inode, copy);
    return copy;
  };
  assert.ok(buildImage(tree).equals(buildImage(turned(tree))));
});

test('the export table names every inode by its number', () => {
  const tree = randomTree(createRandom(11), { entries: 2000 });
  using image = openSquashfs(bytesSource(buildImage(tree, { compression: 'zstd' })));
  const { inodeCount } = image.superblock;
  assert.equal(inodeCount, validateTree(tree).nodes.length);
  assert.equal(image.exports?.count, inodeCount);
  for (let number = 1; number <= inodeCount; number++) {
    assert.equal(image.inode(image.exports!.entry(number - 1).reference).number, number);
  }
  using without = openSquashfs(bytesSource(buildImage(tree, { exportable: false })));
  assert.equal(without.exports, undefined);
});

test('inodes are basic until something needs the extended variant', () => {
  const linked = file('a');
  const xattrs = new Map([['user.a', Buffer.from('b')]]);
  const tree = directory({ linked, again: linked, once: file('a'), marked: { ...file('a'), xattrs } });
  using image = openSquashfs(bytesSource(buildImage(tree, { compression: 'none' })));
  const lookup = (name: string): number => {
    const { inodeTable } = image.superblock;
    const bytes = buildImage(tree, { compression: 'none' });
    return bytes.readUInt16LE(inodeTable + 2 + (image.lookup(name).reference % 0x10000));
  };
  assert.deepEqual([lookup('once'), lookup('linked'), lookup('marked'), lookup('')], [2, 9, 9, 1]);
  assert.equal(image.lookup('linked').links, 2);
  assert.equal(image.lookup('linked').reference, image.lookup('again').reference);
});

test('sets of xattrs are stored once, and so are large values', () => {
  const value = Buffer.alloc(5000, 'v');
  const size = (xattrsOf: (index: number) => Map<string, Buffer>): number => {
    const children = new Map<string, Sample>();
    for (let index = 0; index < 100; index++)
      children.set(`f${index}`, { ...file(''), xattrs: xattrsOf(index) });
    const bytes = buildImage(directory(children), { compression: 'none' });
    assert.deepEqual(listImage(bytes), listSample(directory(children)));
    return bytes.length;
  };
  const none = size(() => new Map());
  assert.ok(size(() => new Map([['user.a', Buffer.from(value)]])) < none + 10_000, 'one set');
  const shared = size(index => new Map([[`user.${index}`, Buffer.from(value)]]));
  assert.ok(shared < none + 20_000, `one value: ${shared - none}`);
});

function warned(tree: Sample): { warnings: Warnings; image: Buffer } {
  const warnings = new Warnings();
  return { image: buildImage(tree, { warnings }), warnings };
}

test('xattrs that squashfs cannot hold are left out with a warning', () => {
  const bytes = Buffer.from('x');
  const { warnings, image } = warned(
    directory({
      a: {
        ...file('a'),
        xattrs: new Map([
          ['system.posix_acl_access', bytes],
          ['user.', bytes],
          ['bare', bytes],
          ['user.large', Buffer.alloc(65537)],
          [`user.${'n'.repeat(251)}`, bytes],
          ['user.kept', bytes],
        ]),
      },
    }),
  );
  assert.equal(warnings.counts.get('xattr-dropped'), 5);
  assert.deepEqual(
    warnings.examples.map(({ path }) => path),
    Array(5).fill('a'),
  );
  using opened = openSquashfs(bytesSource(image));
  assert.deepEqual([...opened.xattrs(opened.lookup('a')).keys()], ['user.kept']);
});

test('times are clamped into 32 bits with a warning, fractions rounded down without', () => {
  const at = (seconds: number): Sample => ({ ...file(''), mtime: { seconds, nanoseconds: 999_999_999 } });
  const { warnings, image } = warned(directory({ early: at(-1), late: at(2 ** 32), last: at(2 ** 32 - 1) }));
  assert.equal(warnings.counts.get('time-clamped'), 2);
  using opened = openSquashfs(bytesSource(image));
  assert.deepEqual(
    ['early', 'late', 'last'].map(name => opened.lookup(name).mtime),
    [0, 2 ** 32 - 1, 2 ** 32 - 1],
  );
});

test('what does not fit is rejected with the path', () => {
  const rejected = (tree: Sample, path: string | undefined): void => {
    assert.throws(
      () => buildImage(directory({ d: directory({ x: tree }) })),
      (error: unknown) =>
        error instanceof SquashfsError && error.code === 'unsupported' && error.detail.path === path,
    );
  };
  rejected({ ...plain, type: 'character', major: 4096, minor: 0 }, 'd/x');
  rejected({ ...plain, type: 'block', major: 0, minor: 2 ** 20 }, 'd/x');
  rejected({ ...plain, type: 'symlink', target: 'x'.repeat(65536) }, 'd/x');
  const owners = new Map<string, Sample>();
  for (let uid = 1; uid <= 65535; uid++) owners.set(`f${uid}`, { ...plain, type: 'fifo', uid });
  rejected(directory(owners), undefined);
});

test('files beyond 4 GiB, by size or by place, keep their numbers', () => {
  const blocks = Array.from({ length: 4096 }, () => 0);
  const large = { start: 2 ** 40 + 3, blocks, sparse: 4096 * 2 ** 20 };
  const inode: FileInode<typeof large> = { ...plain, type: 'file', size: 4096 * 2 ** 20, content: large };
  const root: Inode<typeof large> = {
    ...plain,
    type: 'directory',
    children: new Map([['large', inode]]),
  };
  const chunks: Buffer[] = [Buffer.alloc(96)];
  const output = { position: 96, append };
  function append(bytes: Uint8Array): void {
    chunks.push(Buffer.from(bytes));
    output.position += bytes.length;
  }
  const options = {
    compression: 'none',
    blockSize: 2 ** 20,
    modificationTime: 0,
    warnings: new Warnings(),
  } as const;
  const superblock = writeTables(output, validateTree(root), [], options);
  const image = Buffer.concat(chunks);
  image.set(superblock);
  using opened = openSquashfs(bytesSource(image));
  const { content, size } = opened.lookup('large') as unknown as typeof inode;
  assert.deepEqual(
    [content.start, content.sparse, size, content.blocks.length],
    [2 ** 40 + 3, 2 ** 32, 2 ** 32, 4096],
  );
});

test('20 000 directories in each other are written and read without recursion', () => {
  let tree: Sample = file('deep');
  for (let depth = 0; depth < 20_000; depth++)
    tree = { ...plain, type: 'directory', children: new Map([['d', tree]]) };
  using image = openSquashfs(bytesSource(buildImage(tree, { compression: 'zstd' })));
  assert.equal(image.tree().nodes.length, 20_001);
});

test('the empty tree is an image', () => {
  const tree: Sample = { ...plain, mode: 0o755, type: 'directory', xattrs: noXattrs, children: new Map() };
  assert.deepEqual(listImage(buildImage(tree)), listSample(tree));
});

test('compressor options are written where they differ from what readers assume', () => {
  const hex = (...of: Parameters<typeof compressorOptions>): string =>
    Buffer.from(compressorOptions(...of)).toString('hex');
  assert.equal(hex('zstd', 15), '');
  assert.equal(hex('zstd', 3), '048003000000');
  assert.equal(hex('gzip', 9), '');
  assert.equal(hex('gzip', 6), '0880060000000f000000');
  assert.equal(hex('lz4'), '08800100000000000000');
  assert.equal(hex('xz'), '');
  assert.equal(hex('none'), '');
  assert.throws(() => compressorOptions('gzip', 10), { code: 'invalid' });
  assert.throws(() => compressorOptions('zstd', 0), { code: 'invalid' });
});

test('block sizes are powers of two from 4 KiB to 1 MiB', () => {
  for (const blockSize of [2048, 5000, 2 ** 21]) {
    assert.throws(() => buildImage(directory(), { blockSize }), { code: 'invalid' });
  }
});
