import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesSource, openSquashfs } from '../../src/squashfs/index.ts';
import { inodeBase, superblock } from '../../src/squashfs/layout.ts';
import { readAll } from './read-back.ts';
import { buildImage, directory, file, plain, type Sample } from './sample.ts';

const open = (bytes: Uint8Array) => openSquashfs(bytesSource(bytes));

test('lookup finds every name of small and large directories, and no other', () => {
  const children = new Map<string, Sample>();
  for (let index = 0; index < 5000; index++) children.set(`n${index}`, { ...plain, type: 'fifo' });
  using image = open(
    buildImage(directory({ large: directory(children), 'a b': directory({ f: file('x') }) })),
  );
  const large = image.lookup('large');
  assert.ok(large.type === 'directory' && large.index.count > 3, 'has an index');
  for (const name of children.keys()) assert.equal(image.lookup(`large/${name}`).type, 'fifo');
  for (const name of ['', 'n', 'n5000', 'm', 'o', 'n0x']) {
    if (name !== '') assert.throws(() => image.lookup(`large/${name}`), { code: 'not-found' });
  }
  assert.equal(image.lookup('/a b/f/').type, 'file');
  assert.equal(image.lookup('').number, image.root.number);
  assert.throws(() => image.lookup('a b/f/g'), { code: 'not-found' });
  assert.deepEqual(
    [...image.list(image.root)].map(({ name, type }) => `${name} ${type}`),
    ['a b directory', 'large directory'],
  );
});

test('holes are read as zeros', () => {
  const content = Buffer.concat([Buffer.alloc(8192), Buffer.from('end')]);
  using image = open(buildImage(directory({ content: file(content) })));
  const inode = image.lookup('content');
  assert.ok(inode.type === 'file' && inode.content.sparse === 8192);
  assert.ok(readAll(image, inode).equals(content));
});

test('what is no squashfs, or one that is not read, is said so', () => {
  assert.throws(() => open(Buffer.alloc(0)), { code: 'invalid' });
  assert.throws(() => open(Buffer.from('hello world')), { code: 'invalid' });
  assert.throws(() => open(Buffer.from('sqsh')), { code: 'unsupported' });
  assert.throws(() => open(Buffer.from('hsqs')), { code: 'corrupt' });
  const changed = (field: 'versionMinor' | 'compressor', value: number): Buffer => {
    const image = buildImage(directory());
    image.writeUInt16LE(value, superblock.offsets[field]);
    return image;
  };
  assert.throws(() => open(changed('versionMinor', 1)), { code: 'unsupported' });
  assert.throws(() => open(changed('compressor', 2)), { code: 'unsupported', message: /lzma/ });
  assert.throws(() => open(changed('compressor', 3)), { code: 'unsupported', message: /lzo/ });
  assert.throws(() => open(changed('compressor', 9)), { code: 'unsupported' });
});

test('a directory that stands in itself is corrupt', () => {
  const image = buildImage(directory({ a: directory({ b: directory() }) }), { compression: 'none' });
  using opened = open(image);
  const { directoryTable } = opened.superblock;
  const b = opened.lookup('a/b');
  const a = opened.lookup('a');
  // Turn the entry for b, the first in the table, into one for a.
  image.writeUInt16LE(a.reference, directoryTable + 2 + 12);
  image.writeInt16LE(a.number - b.number, directoryTable + 2 + 14);
  using looped = open(image);
  assert.throws(() => looped.tree(), {
    code: 'corrupt',
    message: /directory b stands in two directories or in itself/,
  });
  assert.equal(looped.lookup('a/b/b/b').number, a.number);
});

test('counts are checked against the image before anything is allocated', () => {
  const image = buildImage(directory({ a: file('a') }));
  for (const field of ['inodeCount', 'fragmentCount'] as const) {
    const changed = Buffer.from(image);
    changed.writeUInt32LE(0xffffffff, superblock.offsets[field]);
    assert.throws(() => open(changed), { code: 'corrupt' }, field);
  }
});

test('a file that claims more blocks than the image can list is corrupt', () => {
  const image = buildImage(directory({ a: file('a') }), { compression: 'none' });
  const { inodeTable } = open(image).superblock;
  const reference = open(image).lookup('a').reference;
  image.writeUInt32LE(0xffffffff, inodeTable + 2 + (reference % 0x10000) + inodeBase.size + 12);
  assert.throws(() => open(image).lookup('a'), { code: 'corrupt', message: /inode table cannot list/ });
});

test('memory is bounded', () => {
  const children = new Map<string, Sample>();
  for (let index = 0; index < 1000; index++) children.set(`n${index}`, { ...plain, type: 'fifo' });
  const image = buildImage(directory(children));
  assert.throws(() => openSquashfs(bytesSource(image), { treeBytes: 100_000 }).tree(), {
    code: 'exhausted',
    hint: /treeBytes/,
  });
  assert.equal(openSquashfs(bytesSource(image), { treeBytes: 1_000_000 }).tree().nodes.length, 1001);
});

test('blocks that do not decompress are corrupt, with table and offset', () => {
  const content = Buffer.alloc(4096, 'abc');
  const image = buildImage(directory({ a: file(content) }), { compression: 'zstd' });
  const inode = open(image).lookup('a');
  assert.ok(inode.type === 'file');
  image.fill(0xff, inode.content.start, inode.content.start + 8);
  assert.throws(() => readAll(open(image), inode), {
    code: 'corrupt',
    detail: { table: 'data', offset: inode.content.start },
  });
});
