/** One render's squashfs and EROFS, mounted by Linux, against the directory that came out of the same call. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, hash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { isAvailable } from '../../src/bytes/codec/index.ts';
import { compressions, render } from '../../src/engine/index.ts';
import { erofsCompressions } from '../../src/engine/output.ts';
import { readDirectory, readFileIn } from '../../src/render/index.ts';
import { fillStack, layoutOf, makeHoldable, writeLayers, writeLayout } from '../engine/image.ts';
import { Scratch } from '../engine/scratch.ts';
import type { Segment } from '../engine/tar.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord, type LayerRecord } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { outline } from '../render/directory-tree.ts';
import { requires } from '../requirement.ts';

type Fields = Partial<LayerRecord>;

const mtime = (seconds: number) => ({ seconds, nanoseconds: 0 });

/** Of everything that an image can have something, in three layers. */
function createRichImage(blockSize: number) {
  const contents = new Map<LayerRecord, Buffer | readonly Segment[]>();
  const file = (path: string, bytes: Buffer | string, fields: Fields = {}): LayerRecord => {
    const content = Buffer.from(bytes as string);
    const record = createRecord({ type: 'file', path, size: content.length, ...fields });
    contents.set(record, content);
    return record;
  };
  const sparse = (path: string, size: number, segments: readonly Segment[]): LayerRecord => {
    const record = createRecord({ type: 'file', path, size });
    contents.set(record, segments);
    return record;
  };
  const directory = (path: string, fields: Fields = {}) =>
    createRecord({ type: 'directory', path, ...fields });
  const device = (
    type: 'block' | 'character',
    path: string,
    major: number,
    minor: number,
    fields: Fields = {},
  ) => createRecord({ type, path, major, minor, ...fields });
  const link = (path: string, linkpath: string) => createRecord({ type: 'hardlink', path, linkpath });
  const symlink = (path: string, linkpath: string) =>
    createRecord({ type: 'symlink', path, linkpath, mode: 0o777, uid: 5, gid: 6, mtime: mtime(1e9) });

  const noise = randomBytes(2 * blockSize + 777);
  const twin = Buffer.from(noise);
  twin[blockSize + 600]! ^= 1;
  const long = randomBytes(700_000);
  const text = Buffer.alloc(blockSize + 5, 'a line of text that compresses well\n');
  const xattrs = new Map([
    ['user.name', 'value'],
    ['user.empty', ''],
    ['trusted.overlay.nothing', 'x'.repeat(500)],
  ]);
  const oldest = [
    directory('./', { mode: 0o755, mtime: mtime(123) }),
    directory('bin', { mode: 0o2755, gid: 12 }),
    file('bin/su', 'setuid', { mode: 0o4755, uid: 1000, gid: 100 }),
    file('bin/noise', noise, { xattrs: xattrs as never }),
    link('bin/linked', 'bin/noise'),
    directory('tmp', { mode: 0o1777, xattrs: new Map([['user.dir', 'd']]) as never }),
    directory('dev'),
    device('character', 'dev/null', 1, 3, { mode: 0o666 }),
    device('block', 'dev/disk', 8, 17, { mode: 0o660, gid: 6 }),
    device('block', 'dev/wide', 259, 70000),
    link('dev/null2', 'dev/null'),
    createRecord({ type: 'fifo', path: 'dev/pipe', mode: 0o622 }),
    symlink('lib', 'usr/lib'),
    symlink('long', `/${'x'.repeat(1500)}`),
    directory('usr/lib', { mtime: mtime(2 ** 32 - 1) }),
    file('gone', 'never seen'),
    file('replaced', long),
    file(`odd\xff\xfename \n`, 'odd', { uid: 2 ** 31, gid: 70000 }),
  ];
  const middle = [
    file('usr/lib/twin', twin),
    file('usr/lib/same', noise),
    file('lib/through', text),
    file('long1', long),
    file('long2', long),
    file('after', randomBytes(9000)),
    file('replaced', text),
    createRecord({ type: 'file', path: '.wh.gone' }),
    ...Array.from({ length: 1500 }, (_, index) =>
      file(
        `large/entry-${(index * 7919) % 1500}-${'n'.repeat(index % 40)}`,
        index % 10 ? '' : `${index % 300}`,
      ),
    ),
    link('other', 'bin/noise'),
  ];
  const newest = [
    sparse('sparse/middle', 5 * blockSize + 9, [{ offset: 2 * blockSize - 3, bytes: randomBytes(7) }]),
    sparse('sparse/tail', 3 * blockSize + 100, [{ offset: 0, bytes: randomBytes(blockSize) }]),
    sparse('sparse/all', 2 ** 30 + 17, []),
    file('sparse/zeros', Buffer.alloc(2 * blockSize + 50)),
    file('sparse/short', Buffer.alloc(50)),
    ...[1, 511, blockSize - 1, blockSize].map(size => file(`sizes/${size}`, randomBytes(size))),
  ];
  return { stack: [oldest, middle, newest], contents };
}

function mounted<T>(image: string, root: string, use: () => Promise<T>): Promise<T> {
  mkdirSync(root);
  const type = image.endsWith('.erofs') ? 'erofs' : 'squashfs';
  execFileSync('mount', ['-t', type, '-o', 'loop,ro', image, root], { stdio: 'pipe' });
  return use().finally(() => execFileSync('umount', [root]));
}

const giant = 2 ** 28;

async function describe(root: string): Promise<string[]> {
  const tree = await readDirectory(root);
  return outline(tree, ({ path }) => {
    const sum = createHash('sha256');
    // A gibibyte of zeros is not read: that it is as long and takes no room is seen elsewhere.
    if (lstatSync(Buffer.from(`${root}/${path}`, 'latin1')).size > giant) return Buffer.alloc(0);
    for (const chunk of readFileIn(root, path)) sum.update(chunk);
    return sum.digest();
  });
}

async function compare(scratch: Scratch, image: string, expected: readonly string[]): Promise<void> {
  const root = scratch.file('mounted', `${image.length}`);
  scratch.directory('mounted');
  await mounted(image, root, async () => {
    const found = await describe(root);
    for (const [index, line] of expected.entries()) assert.equal(found[index], line);
    assert.equal(found.length, expected.length);
  });
  execFileSync('rmdir', [root]);
}

async function compareErofs(
  scratch: Scratch,
  source: string,
  expected: readonly string[],
  blockSize: number,
) {
  const requests = erofsCompressions.map(compression => ({
    path: scratch.file(`${compression}.erofs`),
    compression,
    ...(compression !== 'none' && { blockSize: Math.max(blockSize, 8192) }),
    ...(compression === 'deflate' && { level: 1 }),
  }));
  await render(source, requests, { jobs: 2, platform: 'linux/amd64' });
  for (const { path } of requests) await compare(scratch, path, expected);
}

const available = compressions.filter(name => name === 'none' || isAvailable(name).available);

for (const blockSize of [4096, 131072, 1048576]) {
  test(`the kernel shows in each squashfs and EROFS what the directory holds, in blocks of ${blockSize}`, {
    skip: requires({ root: true, mounts: ['squashfs', 'erofs'] }),
  }, async () => {
    using scratch = new Scratch();
    const image = createRichImage(blockSize);
    const source = await writeLayout(
      scratch.directory('layout'),
      layoutOf(writeLayers(image), () => 'none'),
    );
    const directory = scratch.file('directory');
    const requests = available.map((compression, index) => ({
      path: scratch.file(`${compression}.sqfs`),
      compression,
      blockSize,
      // The fastest: what the levels do is the codecs' matter.
      ...((compression === 'gzip' || compression === 'xz') && { level: 1 }),
      fragments: index % 2 === (blockSize === 131072 ? 1 : 0),
    }));
    // All in one: six sinks take the same bytes from the same memory.
    await render(source, [...requests, { path: directory, format: 'directory' as const }], {
      jobs: 1,
      platform: 'linux/amd64',
    });
    const expected = await describe(directory);
    assert.ok(expected.length > 1530);
    for (const { path } of requests) await compare(scratch, path, expected);
    await compareErofs(scratch, source, expected, blockSize);
  });
}

test('the kernel agrees on random images', {
  skip: requires({ root: true, mounts: ['squashfs'] }),
}, async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  for (let index = 0; index < 3; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + index);
    const blockSize = random.pick([4096, 131072]);
    const image = fillStack(makeHoldable(createTameStack(random)), random, blockSize);
    const source = await writeLayout(
      scratch.directory('layout'),
      layoutOf(writeLayers(image), () => 'none'),
    );
    const path = scratch.file('a.sqfs');
    const directory = scratch.file('directory');
    await render(
      source,
      [
        { path, blockSize, compression: random.pick(available), fragments: random.chance(0.7) },
        { path: directory, format: 'directory' },
      ],
      { jobs: 1 + random.integer(3), platform: 'linux/amd64' },
    );
    await compare(scratch, path, await describe(directory));
  }
});

test('the mounted files are the image’s own bytes', {
  skip: requires({ root: true, mounts: ['squashfs'] }),
}, async () => {
  using scratch = new Scratch();
  const blockSize = 4096;
  const { stack, contents } = createRichImage(blockSize);
  const source = await writeLayout(
    scratch.directory('layout'),
    layoutOf(writeLayers({ stack, contents }), () => 'none'),
  );
  const image = scratch.file('a.sqfs');
  await render(source, [{ path: image, blockSize, compression: 'zstd' }], { platform: 'linux/amd64' });
  const root = scratch.file('mounted');
  await mounted(image, root, async () => {
    // The newest layer's record of a path is what is there; none of these is deleted above.
    const last = new Map(stack.flat().map(record => [record.path.replace(/^lib\//, 'usr/lib/'), record]));
    let compared = 0;
    for (const [path, record] of last) {
      const content = contents.get(record);
      if (path === 'gone' || content === undefined || !Buffer.isBuffer(content)) continue;
      const found = readFileSync(Buffer.from(`${root}/${path}`, 'latin1'));
      assert.equal(hash('sha256', found), hash('sha256', content), path);
      compared += 1;
    }
    assert.ok(compared > 1500);
    const at = (path: string) => lstatSync(`${root}/${path}`);
    assert.equal(at('bin/linked').ino, at('other').ino);
    assert.deepEqual([at('bin/linked').nlink, at('dev/null2').nlink, at('after').nlink], [3, 2, 1]);
    assert.equal(at('bin/su').mode % 0o10000, 0o4755);
    assert.equal(readlinkSync(`${root}/long`).length, 1501);
    const all = at('sparse/all');
    assert.deepEqual([all.size, all.blocks], [2 ** 30 + 17, 0]);
    assert.throws(() => at('gone'), { code: 'ENOENT' });
  });
});
