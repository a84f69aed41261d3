/** Whatever the first block of a tree is, the reader answers or throws a typed error, and believes no byte that it need not. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { createVerityTree, readVeritySuperblock, verifyVerityTree } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { noise } from '../store/sample.ts';

async function sample(scratch: { at(name: string): string }) {
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  writeFileSync(data, noise(1, 3 * 4096));
  const made = await createVerityTree({ data, tree, salt: noise(2, 20) });
  return { data, tree, rootHash: made.rootHash, bytes: readFileSync(tree) };
}

/** Some bytes changed, mostly within the fields that are in use. */
function damage(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(random.chance(0.7) ? 110 : random.chance(0.5) ? 512 : 4096);
    const value = random.pick([0, 1, 0xff, 0x80, 0x10, random.integer(256)]);
    changed.fill(value, at, Math.min(changed.length, at + random.pick([1, 1, 2, 8])));
  }
  return changed;
}

test('a damaged superblock', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const { bytes } = await sample(scratch);
  const block = bytes.subarray(0, 4096);
  let accepted = 0;
  for (let round = 0; round < 20_000; round++) {
    const changed = damage(block, random);
    try {
      const { uuid, salt, dataBlocks } = readVeritySuperblock(changed);
      accepted += 1;
      // All that may differ is what the result says.
      const again = Buffer.from(block);
      again.set(uuid, 16);
      again.writeBigUInt64LE(BigInt(dataBlocks), 72);
      again.writeUInt16LE(salt.length, 80);
      again.fill(0, 88, 344).set(salt, 88);
      assert.ok(again.equals(changed), `round ${round}`);
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code === 'internal') throw error;
    }
  }
  assert.ok(accepted > 0);
  for (let length = 0; length < 4096; length += 1 + random.integer(50)) {
    assert.throws(() => readVeritySuperblock(block.subarray(0, length)), ShaleError);
  }
});

test('a tree behind a damaged superblock, however large it says that it is', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const { data, tree, rootHash, bytes } = await sample(scratch);
  const began = performance.now();
  for (let round = 0; round < 300; round++) {
    const changed = damage(bytes, random);
    writeFileSync(tree, changed);
    const isForeign = changed[22]! >= 0x10 && changed[22]! < 0x80;
    try {
      await verifyVerityTree({ data, tree, rootHash });
      assert.ok(changed.equals(bytes) || isForeign, `round ${round}`);
    } catch (error) {
      if (!(error instanceof ShaleError) || error.code === 'internal') throw error;
    }
  }
  for (const blocks of [2n ** 63n, 2n ** 53n, 2n ** 41n - 1n, 2n ** 41n, 2n ** 31n, 0n]) {
    const changed = Buffer.from(bytes);
    changed.writeBigUInt64LE(blocks, 72);
    writeFileSync(tree, changed);
    truncateSync(data, 2 ** 40);
    await assert.rejects(verifyVerityTree({ data, tree, rootHash }), { code: 'corrupt' });
  }
  assert.ok(performance.now() - began < 5000);
});
