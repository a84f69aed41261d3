/**
 * Tars that the kernel reads through an index: what is mounted is what GNU tar extracts from the same archive, and, where
 * erofs-utils is there, what its index of it shows.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Warnings } from '../../src/error/index.ts';
import { defaultLimits, type LayerEntry, type LayerFile } from '../../src/layer/index.ts';
import { type Content, merge } from '../../src/merge/index.ts';
import type { Digest } from '../../src/oci/index.ts';
import { projectLayer } from '../../src/overlay/index.ts';
import { readLayers } from '../../src/render/index.ts';
import { type TarLayer, writeLayerTarIndex, writeMergedTarIndex } from '../../src/stack/tar-index/index.ts';
import { findUsedLayers } from '../../src/stack/used-layers.ts';
import { noXattrs, type Tree } from '../../src/tree/index.ts';
import { sha256 } from '../archive/fixture.ts';
import { listDisk } from '../disk.ts';
import { endBlocks, writeRecord } from '../engine/tar.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { createScratch } from '../host/scratch.ts';
import { type ErofsMountOptions, mountErofs } from '../kernel-mount.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord } from '../model/record.ts';
import { requires } from '../requirement.ts';

const skip = requires({ tools: ['tar', 'losetup'], mounts: ['erofs'] });
const seed = readSeed();
const warnings = new Warnings();

const shell = (cwd: string, script: string) =>
  execFileSync('bash', ['-euc', script], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });

/** Reads a layer as a render does, with its tar put on disk. */
async function readLayer(tar: Buffer, directory: string, name: string): Promise<TarLayer> {
  const blob = `${directory}/${name}.gz`;
  const stored = gzipSync(tar, { level: 1 });
  writeFileSync(blob, stored);
  const path = `${directory}/${name}.layer.tar`;
  writeFileSync(path, '');
  const diffId = `sha256:${sha256(tar)}` as Digest;
  const location = { path: blob, offset: 0, size: stored.length };
  const [read] = await readLayers([{ digest: undefined, diffId, locate: async () => location }], {
    ...{ jobs: 1, limits: defaultLimits, warnings },
    keep: [{ tee: { path, blockBytes: 512 } }],
  });
  return { diffId, entries: read!.entries, size: read!.size, tar: path };
}

const created = { seconds: 0, nanoseconds: 0 };
const mergeLayers = (...layers: readonly { readonly entries: readonly LayerEntry[] }[]): Tree<Content> =>
  merge(layers, { created, warnings, limits: defaultLimits });

function writeIndex(path: string, layer: TarLayer, tree = mergeLayers(layer)): number {
  writeFileSync(path, '');
  const { size, copied } = writeLayerTarIndex({ path, layer, tree, warnings });
  assert.equal(readFileSync(path).length, size);
  return copied;
}

/** From the files themselves and through loop devices, which the kernel reads in ways of their own. */
function listMounted(image: string, devices: readonly string[]): readonly string[] {
  const list = (options: ErofsMountOptions) => {
    using mounted = mountErofs(image, options);
    return listDisk(mounted.path);
  };
  const listing = list({ devices });
  assert.deepEqual(list({ devices, loop: true }), listing);
  return listing;
}

function listExtracted(directory: string, ...tars: readonly string[]): readonly string[] {
  const extracted = `${directory}/extracted`;
  mkdirSync(extracted);
  for (const tar of tars)
    shell(extracted, `tar --xattrs --xattrs-include='*' --numeric-owner -xpf ${tar} -C ${extracted}`);
  const listing = listDisk(extracted);
  shell(directory, 'rm -rf extracted');
  return listing;
}

const tree = `
mkdir -p tree/dir/sub tree/empty; cd tree
for size in 0 1 511 512 513 4095 4096 4097 100000; do head -c $size /dev/urandom > size-$size; done
head -c 9000000 /dev/urandom > dir/large
for n in $(seq 300); do echo $n > dir/sub/f$n; done
ln -s ../dir/large link; ln dir/large dir/sub/hardlink; mkfifo fifo
mknod null c 1 3; mknod disk b 8 255; chown 1000:2000 size-1; chown 4000000:5 size-513; chmod 4755 size-511; chmod 1777 empty
touch -d @1234567890.123456789 size-1; touch -d @-5 size-512
printf x > $'b\\xfccher'; printf long > ${'l'.repeat(200)}; mkdir -p ${'p'.repeat(80)}/${'q'.repeat(90)}
printf deep > ${'p'.repeat(80)}/${'q'.repeat(90)}/${'r'.repeat(70)}
truncate -s 3000000 sparse hollow; for at in 0 70000 1000000 2999990; do printf "data $at" | dd of=sparse bs=1 seek=$at conv=notrunc status=none; done
`;

/** What old headers cannot say: they have whole seconds and no names of attributes. */
const xattrs = `python3 -c 'import os
os.setxattr("tree/size-4096", "user.mine", b"\\0value")
os.setxattr("tree/dir", "trusted.secret", b"x" * 300)'`;

for (const [name, options, more] of [
  ['pax', '--format=pax --xattrs --xattrs-include=*', xattrs],
  ['pax with holes 0.0', '--format=pax -S --sparse-version=0.0', ''],
  ['pax with holes 0.1', '--format=pax -S --sparse-version=0.1', ''],
  ['pax with holes 1.0', '--format=pax -S --sparse-version=1.0', ''],
  ['gnu with holes', '--format=gnu -S', ''],
  ['gnu', '--format=gnu', ''],
] as const) {
  test(`a tree as GNU tar packs it, ${name}`, { skip }, async () => {
    using scratch = createScratch();
    shell(scratch.path, tree);
    if (more !== '') shell(scratch.path, more);
    shell(scratch.path, `tar --sort=name --numeric-owner ${options} -cf a.tar -C tree .`);
    const layer = await readLayer(readFileSync(scratch.at('a.tar')), scratch.path, 'a');
    assert.equal(writeIndex(scratch.at('a.erofs'), layer), 0, 'everything is pointed at');
    const listing = listMounted(scratch.at('a.erofs'), [layer.tar]);
    assert.deepEqual(listing, listExtracted(scratch.path, layer.tar));
    assert.ok(listing.length > 320);
  });
}

test("erofs-utils' index of a tar shows the same", { skip: skip || requiresNewErofs() }, async () => {
  using scratch = createScratch();
  shell(scratch.path, `${tree}\nrm sparse hollow`);
  // It reads a fraction of a second as if it always had nine digits.
  shell(scratch.path, `${xattrs}; find tree -exec touch -h -d @1234567890.123456789 {} +`);
  shell(
    scratch.path,
    `tar --sort=name --numeric-owner --format=pax --xattrs --xattrs-include='*' -cf a.tar -C tree .`,
  );
  const layer = await readLayer(readFileSync(scratch.at('a.tar')), scratch.path, 'a');
  writeIndex(scratch.at('a.erofs'), layer);
  execFileSync(newErofsTool('mkfs.erofs')!, [
    '--quiet',
    '--tar=i',
    '-b512',
    scratch.at('b.erofs'),
    layer.tar,
  ]);
  const [ours, theirs] = ['a.erofs', 'b.erofs'].map(image => listMounted(scratch.at(image), [layer.tar]));
  assert.deepEqual(ours, theirs);
});

test('fsck.erofs accepts an index with its tar', { skip: skip || requiresNewErofs() }, async () => {
  using scratch = createScratch();
  shell(scratch.path, tree);
  shell(scratch.path, 'tar -S --format=pax -cf a.tar -C tree .');
  const layer = await readLayer(readFileSync(scratch.at('a.tar')), scratch.path, 'a');
  writeIndex(scratch.at('a.erofs'), layer);
  execFileSync(newErofsTool('fsck.erofs')!, [`--device=${layer.tar}`, scratch.at('a.erofs')]);
});

test('a tar that ends within its last file is filled up', { skip }, async () => {
  using scratch = createScratch();
  const content = Buffer.alloc(700, 'x');
  const record = writeRecord(createRecord({ type: 'file', path: 'z', size: content.length }), content);
  const layer = await readLayer(record.subarray(0, 512 + content.length), scratch.path, 'a');
  assert.deepEqual([layer.size, readFileSync(layer.tar).length], [1212, 1536]);
  writeIndex(scratch.at('a.erofs'), layer);
  const [, line] = listMounted(scratch.at('a.erofs'), [layer.tar]);
  assert.match(line!, new RegExp(` size 700 content ${sha256(content)}$`));
  // Why it is: the kernel reads no part of a block.
  truncateSync(layer.tar, layer.size);
  using mounted = mountErofs(scratch.at('a.erofs'), { devices: [layer.tar] });
  assert.throws(() => readFileSync(`${mounted.path}/z`), { code: 'EIO' });
});

/** Sparse files of any segments. */
function randomSparse(
  path: string,
  random: ReturnType<typeof createRandom>,
): { tar: Buffer; content: Buffer } {
  const segments: { offset: number; bytes: Buffer }[] = [];
  const unit = random.pick([1, 100, 512, 4096]);
  let end = 0;
  for (let count = random.integer(8); count > 0; count -= 1) {
    const offset = end + unit * random.integer(10);
    const bytes = Buffer.alloc(unit * (1 + random.integer(20)));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.integer(256);
    segments.push({ offset, bytes });
    end = offset + bytes.length;
  }
  const size = end + random.integer(5000);
  const content = Buffer.alloc(size);
  for (const { offset, bytes } of segments) bytes.copy(content, offset);
  return { tar: writeRecord(createRecord({ type: 'file', path, size }), segments), content };
}

test(`sparse files whose segments are no blocks are copied (SEED=${seed})`, { skip }, async () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  const files = Array.from({ length: 60 }, (_, index) => randomSparse(`f${index}`, random));
  const layer = await readLayer(
    Buffer.concat([...files.map(({ tar }) => tar), endBlocks]),
    scratch.path,
    'a',
  );
  const copied = writeIndex(scratch.at('a.erofs'), layer);
  const all = files.reduce((total, { content }) => total + content.length, 0);
  assert.ok(copied > 0 && copied < all, 'some are, and some are not');
  using mounted = mountErofs(scratch.at('a.erofs'), { devices: [layer.tar] });
  for (const [index, { content }] of files.entries()) {
    assert.ok(readFileSync(`${mounted.path}/f${index}`).equals(content), `f${index}`);
  }
});

test(`layers merged over their tars (SEED=${seed})`, { skip }, async () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  const file = (path: string, text: string) => {
    const bytes = Buffer.from(text.repeat(1 + random.integer(3000)));
    return writeRecord(createRecord({ type: 'file', path, size: bytes.length, mtime: created }), bytes);
  };
  const root = writeRecord(createRecord({ type: 'directory', path: './', mode: 0o755 }), Buffer.alloc(0));
  const link = (path: string, linkpath: string) =>
    writeRecord(createRecord({ type: 'hardlink', path, linkpath }), Buffer.alloc(0));
  const strange = createRecord({ type: 'file', path: 'strange', size: 5000 });
  const noBlocks = writeRecord(strange, [
    { offset: 100, bytes: Buffer.alloc(1000, 'x') },
    // Without it GNU tar ends the file where its data ends.
    { offset: 5000, bytes: Buffer.alloc(0) },
  ]);
  const tars = [
    [root, file('a', 'a0'), file('b', 'b0'), file('c', 'c0'), file('d', 'd0')],
    [root, file('b', 'b1'), noBlocks, link('e', 'b')],
    // Of this one nothing is left: it is no device.
    [root, file('d', 'd2')],
    [root, file('d', 'd3'), file('.wh.c', ''), link('f', 'a')],
  ].map(records => Buffer.concat([...records, endBlocks]));
  const layers: TarLayer[] = [];
  for (const [index, tar] of tars.entries()) layers.push(await readLayer(tar, scratch.path, `${index}`));
  const path = scratch.at('merged.erofs');
  writeFileSync(path, '');
  const merging = mergeLayers(...layers);
  const merged = writeMergedTarIndex({
    ...{ path, layers, tree: merging, warnings },
    identity: Buffer.from('these'),
  });
  assert.equal(merged.copied, 1000);
  assert.deepEqual(findUsedLayers(merging, layers.length), [0, 1, 3]);
  const devices = [0, 1, 3].map(layer => layers[layer]!.tar);
  // A name that a newer layer has again takes the place of the old one for tar as well; whiteouts are removed by hand.
  const expected = `${scratch.path}/expected`;
  mkdirSync(expected);
  for (const { tar } of layers) shell(expected, `tar --unlink-first --numeric-owner -xpf ${tar}`);
  shell(expected, 'rm c .wh.c; touch -d @0 .');
  assert.deepEqual(listMounted(path, devices), listDisk(expected));
});

test('beyond 4 GiB, in files and in tars', { skip }, () => {
  using scratch = createScratch();
  const [mebibyte, gibibyte] = [2 ** 20, 2 ** 30];
  const [sparse, fine] = [5 * gibibyte + 4096, 5 * gibibyte + 8 * mebibyte];
  const meta = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: created, xattrs: noXattrs } as const;
  const strewn = [0, 4 * gibibyte, 4.5 * gibibyte].map(offset => ({ offset, length: mebibyte }));
  const blocks = strewn.map(({ offset }) => ({ offset: offset + 512, length: 512 }));
  const entries: readonly LayerFile[] = [
    { ...meta, path: 'large', size: 5 * gibibyte + 1, offset: 512, segments: undefined },
    { ...meta, path: 'late', size: 5, offset: 5 * gibibyte + 2048, segments: undefined },
    { ...meta, path: 'sparse', size: 5 * gibibyte, offset: sparse, segments: strewn },
    // Chunks of 512 bytes would be ten million of them.
    { ...meta, path: 'fine', size: 5 * gibibyte, offset: fine, segments: blocks },
  ];
  const tar = scratch.at('tar');
  writeFileSync(tar, '');
  const bytes = 6 * gibibyte;
  truncateSync(tar, bytes);
  const file = openSync(tar, 'r+');
  const put = (text: string, position: number) =>
    writeSync(file, Buffer.from(text), 0, text.length, position);
  put('end', 512 + 5 * gibibyte - 2);
  put('start', 512);
  put('late!', 5 * gibibyte + 2048);
  for (const index of [0, 1, 2]) {
    put(`strewn ${index}`, sparse + mebibyte * index);
    put(`block ${index}`, fine + 512 * index);
  }
  closeSync(file);
  const diffId = `sha256:${'0'.repeat(64)}` as Digest;
  const copied = writeIndex(scratch.at('a.erofs'), { diffId, entries, size: bytes, tar });
  assert.equal(copied, 3 * 512);
  for (const loop of [false, true]) {
    using mounted = mountErofs(scratch.at('a.erofs'), { devices: [tar], loop });
    const read = (name: string, position: number, length: number) => {
      const bytes = Buffer.alloc(length + 1);
      const opened = openSync(`${mounted.path}/${name}`, 'r');
      const count = readSync(opened, bytes, 0, bytes.length, position);
      closeSync(opened);
      return bytes.toString('latin1', 0, count);
    };
    assert.equal(read('large', 0, 5), 'start\0');
    assert.equal(read('large', 5 * gibibyte - 2, 3), 'end');
    assert.equal(read('late', 0, 5), 'late!');
    for (const [index, { offset }] of strewn.entries()) {
      assert.equal(read('sparse', offset, 8), `strewn ${index}\0`);
      assert.equal(read('sparse', offset + mebibyte, 8), '\0'.repeat(9));
      assert.equal(read('fine', offset + 512, 7), `block ${index}\0`);
      assert.equal(read('fine', offset, 8), '\0'.repeat(9));
    }
  }
});

test('a layer as OverlayFS sees it', { skip }, async () => {
  using scratch = createScratch();
  const bytes = Buffer.from('data');
  const tar = Buffer.concat([
    writeRecord(createRecord({ type: 'file', path: 'dir/.wh.gone' }), Buffer.alloc(0)),
    writeRecord(createRecord({ type: 'file', path: 'dir/kept', size: 4 }), bytes),
    endBlocks,
  ]);
  const layer = await readLayer(tar, scratch.path, 'a');
  writeIndex(scratch.at('a.erofs'), layer, projectLayer(layer.entries, { layer: 3, xattrs: 'trusted' }));
  const listing = listMounted(scratch.at('a.erofs'), [layer.tar]);
  assert.match(listing.find(line => line.startsWith('/dir/gone '))!, /^\/dir\/gone character \d+ 0:0 .* 0:0/);
  assert.match(listing.find(line => line.startsWith('/dir/kept '))!, new RegExp(sha256(bytes)));
});

test('the bytes follow from the layer alone', { skip: requires({ tools: ['tar'] }) }, async () => {
  using scratch = createScratch();
  const random = createRandom(11);
  const tar = Buffer.concat([
    ...Array.from({ length: 20 }, (_, index) => randomSparse(`${index}`, random).tar),
    endBlocks,
  ]);
  const [one, two] = [await readLayer(tar, scratch.path, '1'), await readLayer(tar, scratch.path, '2')];
  writeIndex(scratch.at('1.erofs'), one);
  writeIndex(scratch.at('2.erofs'), two);
  assert.ok(readFileSync(scratch.at('1.erofs')).equals(readFileSync(scratch.at('2.erofs'))));
});

test('a tar that is shorter than its layer, or not there', {
  skip: requires({ tools: ['tar'] }),
}, async () => {
  using scratch = createScratch();
  const bytes = Buffer.alloc(1000, 'y');
  const sparse = writeRecord(createRecord({ type: 'file', path: 'f', size: 5000 }), [{ offset: 100, bytes }]);
  const layer = await readLayer(Buffer.concat([sparse, endBlocks]), scratch.path, 'a');
  truncateSync(layer.tar, 2048);
  assert.throws(() => writeIndex(scratch.at('a.erofs'), layer), { code: 'corrupt', message: /shorter/ });
  const gone = { ...layer, tar: scratch.at('gone') };
  assert.throws(() => writeIndex(scratch.at('a.erofs'), gone), { code: 'not-found', message: /gone/ });
});
