/** Whatever the bytes, the reader answers or throws a typed error, soon. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { checksumLength, superblockChecksum } from '../../src/erofs/checksum.ts';
import { openErofs } from '../../src/erofs/index.ts';
import { superblock, superblockOffset } from '../../src/erofs/layout.ts';
import { ShaleError } from '../../src/error/index.ts';
import { bytesSource } from '../../src/squashfs/index.ts';
import { type BuildOptions, type Built, buildErofs, type Storage, withTimes } from '../erofs/built-image.ts';
import { newErofsTool, requiresNewErofs } from '../erofs-tools.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { randomTree } from '../squashfs/sample.ts';

/** Reads all that there is; at most so many bytes of data, since a hole of a petabyte is no error. */
function readEverything(bytes: Uint8Array, devices: readonly Uint8Array[] = []): void {
  try {
    using image = openErofs(bytesSource(bytes), {
      treeBytes: 64 * 1024 * 1024,
      devices: devices.map(bytesSource),
    });
    const { nodes } = image.tree();
    let left = 4 * 1024 * 1024;
    for (const { inode, path } of nodes) {
      const found = image.lookup(path);
      if (found.type === 'directory') for (const _ of image.list(found));
      if (inode.type !== 'file' || found.type !== 'file' || left <= 0) continue;
      for (const block of image.read(inode)) {
        left -= block.length;
        if (left <= 0) break;
      }
      let extents = 1000;
      const list = found.content.kind === 'clusters' ? image.clusters(found) : image.extents(found);
      for (const _ of list) if (--extents === 0) break;
    }
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code === 'internal') throw error;
  }
}

function seal(image: Buffer): void {
  const bits = image[superblockOffset + superblock.offsets.blockBits]!;
  if (bits < 9 || bits > 16) return;
  const end = Math.min(image.length, superblockOffset + checksumLength(2 ** bits));
  const sum = superblockChecksum(image.subarray(superblockOffset, end));
  image.writeUInt32LE(sum, superblockOffset + superblock.offsets.checksum);
}

interface Target {
  readonly image: Buffer;
  readonly devices?: readonly Buffer[];
  /** What changes is mostly behind here. */
  readonly metadata: number;
}

function change(random: Random, { image, metadata }: Target): Buffer {
  const changed = Buffer.from(image);
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const at = random.chance(0.1)
      ? superblockOffset + random.integer(superblock.size)
      : random.chance(0.8)
        ? metadata + random.integer(image.length - metadata)
        : random.integer(image.length);
    changed[at] = random.pick([0, 0xff, 0x80, changed[at]! ^ (1 << random.integer(8)), random.integer(256)]);
  }
  if (random.chance(0.9)) seal(changed);
  return changed;
}

function fuzz(random: Random, rounds: number, target: Target): void {
  for (let round = 0; round < rounds; round++) {
    const changed = change(random, target);
    const began = performance.now();
    try {
      readEverything(changed, target.devices);
    } catch (error) {
      assert.fail(`round ${round}: ${error instanceof Error ? error.stack : error}`);
    }
    const took = performance.now() - began;
    assert.ok(took < 3000, `round ${round} took ${took} ms`);
  }
}

const builds: Readonly<Record<string, BuildOptions & { readonly storage: () => Storage }>> = {
  plain: { storage: () => 'plain' },
  'inline, in blocks of 512 bytes': { storage: () => 'inline', blockSize: 512 },
  chunked: { storage: () => 'chunked' },
  'on devices': { storage: () => 'device', deviceCount: 2 },
  lz4: { storage: () => 'lz4' },
  deflate: { storage: () => 'deflate' },
  zstd: { storage: () => 'zstd' },
};

for (const [name, options] of Object.entries(builds)) {
  test(`changed bytes of an image: ${name}`, t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    const sample = withTimes(randomTree(random, { entries: 25, blockSize: 4096 }), random);
    const { image, devices, dataEnd }: Built = buildErofs(sample, options);
    fuzz(random, 400, { image, devices, metadata: dataEnd });
  });
}

const foreign: readonly (readonly string[])[] = [
  ['-zlz4hc', '-C16384', '-Eztailpacking'],
  ['-zzstd', '-C65536', '-Efragments', '--xattr-prefix=user.sh'],
  ['-zdeflate', '-C16384', '-Efragments,dedupe'],
  ['-zlzma', '-C16384', '-Eall-fragments'],
  ['-zlz4', '-Elegacy-compress'],
];

for (const flags of foreign) {
  test(`changed bytes of an image by mkfs.erofs ${flags.join(' ')}`, { skip: requiresNewErofs() }, t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    using scratch = createScratch();
    const source = scratch.at('source');
    mkdirSync(`${source}/directory`, { recursive: true });
    const lines = Array.from({ length: 6000 }, (_, index) => `${index} ${random.integer(50)}\n`).join('');
    for (let index = 0; index < 12; index++) {
      writeFileSync(
        `${source}/directory/${index}`,
        lines.slice(index * 700, index * 700 + 300 * index * index),
      );
    }
    writeFileSync(`${source}/random`, Buffer.from(Array.from({ length: 30_000 }, () => random.integer(256))));
    symlinkSync('random', `${source}/link`);
    const file = scratch.at('image');
    execFileSync(newErofsTool('mkfs.erofs')!, [...flags, file, source], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const image = readFileSync(file);
    readEverything(image);
    fuzz(random, 300, { image, metadata: 0 });
  });
}

test('an image cut anywhere', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const { image } = buildErofs(randomTree(createRandom(seed), { entries: 20 }));
  for (let length = 0; length < image.length; length += 1 + Math.floor(image.length / 700)) {
    assert.throws(
      () => openErofs(bytesSource(image.subarray(0, length))),
      (error: unknown) => error instanceof ShaleError && ['corrupt', 'invalid'].includes(error.code),
      `cut at ${length} of ${image.length}`,
    );
  }
});
