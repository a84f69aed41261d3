/** Images by mkfs.erofs, old and new, of a directory that the operating system lists; and what the kernel makes of them. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { bytesSource, type OpenOptions, openErofs } from '../../src/erofs/index.ts';
import { listDisk } from '../disk.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { createScratch } from '../host/scratch.ts';
import { mountErofs } from '../kernel-mount.ts';
import type { Listing } from '../model/listing.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { buildImage, directory, listTree, plain, randomTree, type Sample } from '../squashfs/sample.ts';

const scratch = createScratch();
after(() => scratch[Symbol.dispose]());

const tools = ['mkfs.erofs', 'unsquashfs', 'touch', 'tar'];
const skip = requires({ tools, root: true });
const skipNew = skip || requiresNewErofs();
const seed = readSeed();
const source = scratch.at('source');

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

if (!skip) fillSource();

/** Everything that a tree can have, and contents that compressors and deduplication have something to do with. */
function fillSource(): void {
  const random = createRandom(seed);
  const tree = randomTree(random, { entries: 250, blockSize: 4096, sockets: false, links: 'files' });
  shortenNames(tree.children as Map<string, Sample>);
  const names = Array.from({ length: 1500 }, (_, index) => `many-${index}`);
  const many = directory(new Map(names.map(name => [name, { ...plain, type: 'fifo' } as Sample])));
  const image = scratch.at('sample');
  writeFileSync(image, buildImage({ ...tree, children: new Map([...tree.children, ['many', many]]) }));
  run('unsquashfs', '-no-progress', '-d', source, image);
  mkdirSync(`${source}/contents`);
  const at = (name: string) => `${source}/contents/${name}`;
  const lines = Array.from({ length: 40_000 }, (_, index) => `${index} ${random.integer(40)}\n`).join('');
  const noise = Buffer.from(Array.from({ length: 120_000 }, () => random.integer(256)));
  writeFileSync(at('lines'), lines);
  writeFileSync(at('lines-again'), lines);
  writeFileSync(at('lines-moved'), `moved${lines.slice(10_000)}`);
  writeFileSync(at('noise'), noise);
  writeFileSync(at('mixed'), Buffer.concat([Buffer.from(lines), noise, Buffer.from(lines)]));
  writeFileSync(at('zeros'), Buffer.alloc(100_000));
  writeFileSync(at('sparse'), lines.slice(0, 5000));
  truncateSync(at('sparse'), 3_000_000);
  for (let index = 0; index < 30; index++) {
    const start = random.integer(lines.length);
    writeFileSync(at(`part-${index}`), lines.slice(start, start + random.integer(20_000)));
  }
  run('touch', '-d', '@1600000000.123456789', at('lines'));
  run('touch', '-d', '1950-01-01 00:00:00.5', at('noise'));
  utimesSync(source, 1_500_000_000, 1_500_000_000);
}

/** Old versions of mkfs.erofs cut names of 255 bytes, and do not find them then. */
function shortenNames(children: Map<string, Sample>): void {
  for (const [name, inode] of [...children]) {
    if (inode.type === 'directory') shortenNames(inode.children as Map<string, Sample>);
    if (name.length < 255) continue;
    children.delete(name);
    children.set(name.slice(1), inode);
  }
}

function listImage(file: string, options: OpenOptions = {}): Listing {
  using image = openErofs(bytesSource(readFileSync(file)), options);
  return listTree(image.tree(), inode => Buffer.concat([...image.read(inode)]));
}

/**
 * `undefined` for an image that `judge`, too, cannot extract: with SEED=87509906 mkfs.erofs 1.8.6 cuts an extent of lz4 short, for its own
 * fsck.erofs and the kernel as for us. What the judge takes must not be refused.
 */
function listUnlessSpoiled(image: string, judge: string): Listing | undefined {
  try {
    return listImage(image);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'corrupt');
    const target = scratch.at('extracted');
    const { status, stderr } = spawnSync(judge, [`--extract=${target}`, image], { encoding: 'latin1' });
    run('rm', '-rf', target);
    if (status === 0 || !/decompress/.test(stderr)) throw error;
    return undefined;
  }
}

const old = [
  '',
  '-x0',
  '-Eforce-inode-extended',
  '-Enoinline_data',
  '--chunksize=4096',
  '--chunksize=65536',
  '-zlz4',
  '-zlz4 -Elegacy-compress',
  '-zlz4hc -C65536',
  '-zlz4hc -C65536 -Elegacy-compress',
  '-zlz4 --max-extent-bytes=8192',
  '-zlz4hc -C16384 -Eztailpacking',
];
const recent = [
  '',
  '-b512',
  '-b1024',
  '-Enosbcrc',
  '--dsunit=4',
  '--root-xattr-isize=200',
  '--chunksize=4096',
  '--chunksize=1048576',
  '-b512 --chunksize=4096',
  '-zlz4',
  '-zlz4 -Elegacy-compress',
  '-zlz4 -b512 -C8192 -Eztailpacking',
  '-zlz4hc,12 -C65536',
  '-zlz4hc -b2048 -C16384 -Efragments',
  '-zlz4hc -C16384 -Efragments,dedupe',
  '-zlz4hc -C65536 -Eztailpacking,fragments',
  '-zlz4hc:zstd -C65536',
  '-zlzma,level=9 -C4096',
  '-zlzma -C65536',
  '-zlzma -C16384 -Eztailpacking',
  '-zlzma -C65536 -Efragments,dedupe',
  '-zdeflate,9 -C4096',
  '-zdeflate -C32768',
  '-zdeflate -C16384 -Eztailpacking',
  '-zdeflate -C65536 -Ededupe',
  '-zzstd -b1024',
  '-zzstd -C131072',
  '-zzstd -C1048576',
  '-zzstd,9 -C65536 -Eztailpacking',
  '-zzstd -C65536 -Efragments',
  '-zzstd -C65536 -Eall-fragments,dedupe',
  '-Exattr-name-filter --xattr-prefix=trusted.sha --xattr-prefix=user.a',
  '--xattr-prefix=trusted.sha --xattr-prefix=security.lo -zzstd -C65536 -Eall-fragments',
];

const makers = [
  {
    name: 'mkfs.erofs of this machine',
    command: () => 'mkfs.erofs',
    judge: () => 'fsck.erofs',
    skip,
    options: old,
  },
  {
    name: 'a recent mkfs.erofs',
    command: () => newErofsTool('mkfs.erofs')!,
    judge: () => newErofsTool('fsck.erofs')!,
    skip: skipNew,
    options: recent,
  },
];
for (const tool of makers) {
  for (const flags of tool.options) {
    test(`reads an image of ${tool.name}: ${flags || 'as it likes'}`, { skip: tool.skip }, t => {
      t.diagnostic(`SEED=${seed}`);
      const image = scratch.at('image');
      run('rm', '-f', image);
      run(tool.command(), ...flags.split(' ').filter(Boolean), image, source);
      const shown = listUnlessSpoiled(image, tool.judge());
      if (shown === undefined)
        t.diagnostic(`${tool.name} wrote what its own fsck.erofs refuses, and so do we`);
      else assert.deepEqual(shown, listDisk(source));
    });
  }
  test(`reads an image of ${tool.name} and the device beside it`, { skip: tool.skip }, t => {
    t.diagnostic(`SEED=${seed}`);
    const [image, blob] = [scratch.at('image'), scratch.at('blob')];
    run('rm', '-f', image, blob);
    writeFileSync(blob, '');
    run(tool.command(), `--blobdev=${blob}`, '--chunksize=4096', image, source);
    const devices = [bytesSource(readFileSync(blob))];
    assert.deepEqual(listImage(image, { devices }), listDisk(source));
  });
}

const skipMount = requires({ tools, root: true, mounts: ['erofs'] });

function listMounted(image: string, devices: readonly string[] = []): Listing {
  using mounted = mountErofs(image, { devices });
  return listDisk(mounted.path);
}

for (const flags of ['-x-1', '-T1234567890', '--all-root', '--ignore-mtime']) {
  test(`reads what the kernel reads of an image without all of its source: ${flags}`, {
    skip: skipMount,
  }, t => {
    t.diagnostic(`SEED=${seed}`);
    const image = scratch.at('image');
    run('rm', '-f', image);
    run('mkfs.erofs', flags, image, source);
    assert.deepEqual(listImage(image), listMounted(image));
  });
}

// It takes times before 1970 that have a fraction for others, so the kernel says what is there.
test('reads the index that a recent mkfs.erofs makes of a tar', { skip: skipMount || skipNew }, t => {
  t.diagnostic(`SEED=${seed}`);
  const [image, tar] = [scratch.at('image'), scratch.at('tar')];
  run('rm', '-f', image);
  run('tar', '--xattrs', '--xattrs-include=*', '--format=pax', '-cf', tar, '-C', source, '.');
  run(newErofsTool('mkfs.erofs')!, '--tar=i', image, tar);
  const devices = [bytesSource(readFileSync(tar))];
  assert.deepEqual(listImage(image, { devices }), listMounted(image, [tar]));
});
