/** Whatever the bytes, the reader answers or throws a typed error, soon. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { bytesSource, openSquashfs } from '../../src/squashfs/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { buildImage, randomTree } from '../squashfs/sample.ts';

/** Reads all that there is; at most so many bytes of data, since a hole of a petabyte is no error. */
function readEverything(bytes: Uint8Array): void {
  try {
    using image = openSquashfs(bytesSource(bytes), { treeBytes: 64 * 1024 * 1024 });
    const { nodes } = image.tree();
    let left = 4 * 1024 * 1024;
    for (const { inode, path } of nodes) {
      image.lookup(path);
      if (inode.type !== 'file' || left <= 0) continue;
      for (const block of image.read(inode)) {
        left -= block.length;
        if (left <= 0) break;
      }
    }
    for (let index = 0; index < (image.exports?.count ?? 0) && index < 1000; index++) {
      image.inode(image.exports!.entry(index).reference);
    }
  } catch (error) {
    if (!(error instanceof ShaleError) || error.code === 'internal') throw error;
  }
}

for (const compression of ['none', 'zstd', 'gzip'] as const) {
  test(`changed bytes of an image with ${compression}`, t => {
    const seed = readSeed();
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    const image = buildImage(randomTree(random, { entries: 25, blockSize: 4096 }), { compression });
    const superblockOnly = 96;
    for (let round = 0; round < 700; round++) {
      const changed = Buffer.from(image);
      for (let count = 1 + random.integer(3); count > 0; count--) {
        const tables = image.readUInt32LE(64);
        const at = random.chance(0.2)
          ? random.integer(superblockOnly)
          : random.chance(0.8)
            ? tables + random.integer(image.length - tables)
            : random.integer(image.length);
        changed[at] = random.pick([0, 0xff, 0x80, random.integer(256)]);
      }
      const began = performance.now();
      try {
        readEverything(changed);
      } catch (error) {
        assert.fail(`round ${round}: ${error instanceof Error ? error.stack : error}`);
      }
      const took = performance.now() - began;
      assert.ok(took < 3000, `round ${round} took ${took} ms`);
    }
  });
}

test('an image cut anywhere', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const image = buildImage(randomTree(createRandom(seed), { entries: 20 }), { compression: 'zstd' });
  const used = image.readUInt32LE(40);
  for (let length = 0; length < used; length += 1 + Math.floor(used / 700)) {
    assert.throws(
      () => openSquashfs(bytesSource(image.subarray(0, length))),
      (error: unknown) => error instanceof ShaleError && ['corrupt', 'invalid'].includes(error.code),
      `cut at ${length} of ${used}`,
    );
  }
});
