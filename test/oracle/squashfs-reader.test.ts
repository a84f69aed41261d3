/** Images by squashfs-tools and squashfs-tools-ng, of a directory that the operating system lists. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { bytesSource, openSquashfs } from '../../src/squashfs/index.ts';
import { createScratch } from '../host/scratch.ts';
import type { Listing } from '../model/listing.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { listDisk } from '../squashfs/disk.ts';
import { listImage } from '../squashfs/read-back.ts';
import { buildImage, directory, plain, randomTree, type Sample } from '../squashfs/sample.ts';

const scratch = createScratch();
after(() => scratch[Symbol.dispose]());

const skip = requires({ tools: ['mksquashfs', 'unsquashfs', 'gensquashfs', 'tar2sqfs', 'tar'], root: true });
const seed = readSeed();
const source = scratch.at('source');

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

if (!skip) {
  const tree = randomTree(createRandom(seed), {
    entries: 250,
    blockSize: 8192,
    sockets: false,
    links: 'files',
  });
  const names = Array.from({ length: 3000 }, (_, index) => `many-${index}`);
  const many = directory(new Map(names.map(name => [name, { ...plain, type: 'fifo' } as Sample])));
  const image = scratch.at('sample');
  writeFileSync(image, buildImage({ ...tree, children: new Map([...tree.children, ['many', many]]) }));
  run('unsquashfs', '-no-progress', '-d', source, image);
}

const options: Readonly<Record<string, readonly string[]>> = {
  gzip: ['-comp', 'gzip'],
  'gzip of level 1, window 8': ['-comp', 'gzip', '-Xcompression-level', '1', '-Xwindow-size', '8'],
  lz4: ['-comp', 'lz4'],
  'lz4 hc': ['-comp', 'lz4', '-Xhc'],
  xz: ['-comp', 'xz'],
  'xz with a smaller dictionary': ['-comp', 'xz', '-Xdict-size', '8K'],
  zstd: ['-comp', 'zstd', '-Xcompression-level', '3'],
  'inodes, data, fragments, xattrs and ids uncompressed': ['-noI', '-noD', '-noF', '-noX', '-noId'],
  'inodes uncompressed': ['-noI'],
  'no fragments': ['-no-fragments'],
  'all tails in fragments': ['-always-use-fragments'],
  'no export table': ['-no-exports'],
  'no duplicates checking': ['-no-duplicates'],
  'blocks of 4 KiB': ['-b', '4K'],
  'blocks of 1 MiB': ['-b', '1M'],
};

for (const [name, flags] of Object.entries(options)) {
  test(`reads an image of mksquashfs: ${name}`, { skip }, t => {
    t.diagnostic(`SEED=${seed}`);
    const image = scratch.at('mksquashfs');
    run('mksquashfs', source, image, '-noappend', '-no-progress', '-quiet', '-b', '8K', ...flags);
    assertReads(t, image, listDisk(source));
  });
}

test('reads an image of mksquashfs without xattrs', { skip }, t => {
  t.diagnostic(`SEED=${seed}`);
  const image = scratch.at('mksquashfs');
  run('mksquashfs', source, image, '-noappend', '-no-progress', '-quiet', '-b', '8K', '-no-xattrs');
  const withoutXattrs = listDisk(source).map(line =>
    line.replace(/ (user|trusted|security)\.[^ ]*=[0-9a-f]*/g, ''),
  );
  assertReads(t, image, withoutXattrs);
});

/**
 * An image that differs from its directory is one that mksquashfs has spoiled, if unsquashfs reads it as we do. 4.5.1 takes
 * some sparse files of one size for duplicates where tails are in fragments (with SEED=854623286, for one).
 */
function assertReads(t: TestContext, image: string, expected: Listing): void {
  const read = listImage(readFileSync(image));
  if (isDeepStrictEqual(read, expected)) return;
  const unpacked = scratch.at('unpacked');
  rmSync(unpacked, { recursive: true, force: true });
  run('unsquashfs', '-no-progress', '-d', unpacked, image);
  t.diagnostic('mksquashfs wrote something else than the directory');
  assert.deepEqual(read, listDisk(unpacked));
}

for (const compressor of ['gzip', 'xz', 'lz4', 'zstd']) {
  test(`reads an image of tar2sqfs: ${compressor}`, { skip }, t => {
    t.diagnostic(`SEED=${seed}`);
    const image = scratch.at('tar2sqfs');
    const tar = scratch.at('tar');
    run('tar', '--xattrs', '--xattrs-include=*', '--format=pax', '-cf', tar, '-C', source, '.');
    execFileSync('tar2sqfs', ['-q', '-f', '-b', '8192', '-c', compressor, image], {
      input: readFileSync(tar),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // tar2sqfs leaves out the root's own entry unless told otherwise, so only what stands below it is compared.
    assert.deepEqual(listImage(readFileSync(image)).slice(1), listDisk(source).slice(1));
  });
}

test('reads an image of gensquashfs', { skip }, t => {
  t.diagnostic(`SEED=${seed}`);
  const image = scratch.at('gensquashfs');
  run('gensquashfs', '-q', '-f', '-k', '-x', '-e', '-b', '8192', '-c', 'gzip', '-D', source, image);
  // gensquashfs does not find hardlinks, leaves out xattrs without a value, and makes the root by itself.
  const separate = listDisk(source).map(line =>
    line.replace(/ names \/.*$/s, '').replace(/ (user|trusted|security)\.[^ =]*=(?= |$)/g, ''),
  );
  assert.deepEqual(listImage(readFileSync(image)).slice(1), separate.slice(1));
});

test('finds names through the index of mksquashfs', { skip }, () => {
  const image = scratch.at('mksquashfs');
  utimesSync(`${source}/many/many-1234`, 7, 7);
  run('mksquashfs', source, image, '-noappend', '-no-progress', '-quiet', '-b', '4K');
  using opened = openSquashfs(bytesSource(readFileSync(image)));
  for (let index = 0; index < 3000; index += 13) {
    assert.equal(opened.lookup(`many/many-${index}`).type, 'fifo');
  }
  assert.equal(opened.lookup('/many/many-1234').mtime, 7);
  for (const missing of ['a', 'many-', 'many-3000', 'z', 'many-1/x']) {
    assert.throws(() => opened.lookup(`many/${missing}`), { code: 'not-found' });
  }
});
