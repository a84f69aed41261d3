import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  appendVerityTree,
  createVerityTree,
  findAppendedTree,
  verifyVerityTree,
  verityTable,
} from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { noise } from '../store/sample.ts';

test('an appended tree is the one beside, behind the data', async () => {
  using scratch = createScratch();
  for (const blocks of [1, 2, 128, 129, 300]) {
    for (const salt of [undefined, noise(blocks, 20)]) {
      const [data, both] = [scratch.at('data'), scratch.at('both')];
      const content = noise(blocks, blocks * 4096);
      writeFileSync(data, content);
      writeFileSync(both, content);
      const beside = await createVerityTree({ data, tree: scratch.at(`${blocks}${salt}`), salt, jobs: 2 });
      assert.equal(findAppendedTree(both), undefined);
      const appended = await appendVerityTree({ data: both, salt, jobs: 2 });
      assert.deepEqual(appended, { ...beside, path: both, hashOffset: content.length });
      assert.ok(readFileSync(both).equals(Buffer.concat([content, readFileSync(beside.path)])), `${blocks}`);
      assert.equal(findAppendedTree(both), content.length);
      const { rootHash, hashOffset } = appended;
      // However it is named: found, said, or by another name of the same file.
      assert.deepEqual(await verifyVerityTree({ data: both, rootHash }), appended);
      assert.deepEqual(await verifyVerityTree({ data: both, tree: both, rootHash, hashOffset }), appended);
      assert.deepEqual(
        await verifyVerityTree({ data, tree: both, rootHash, hashOffset }),
        appended,
        'the data may also be a file of its own',
      );
      assert.match(
        verityTable(appended, '/dev/vda', '/dev/vda').table,
        new RegExp(` ${blocks} ${blocks + 1} sha256 `),
      );
    }
  }
});

test('a descriptor stays open; a tree that is there is not hashed as data', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  writeFileSync(path, noise(1, 50 * 4096));
  const fd = openSync(path, 'r+');
  const { rootHash } = await appendVerityTree({ data: { fd, path } });
  const before = readFileSync(fd);
  await assert.rejects(appendVerityTree({ data: path }), { name: 'VerityError', code: 'exists' });
  assert.ok(readFileSync(path).equals(before));
  closeSync(fd);
  await verifyVerityTree({ data: path, rootHash });
});

test('what fails leaves the data as it was', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  for (const size of [0, 1, 4097]) {
    writeFileSync(path, noise(1, size));
    await assert.rejects(appendVerityTree({ data: path }), { name: 'VerityError', code: 'invalid' });
    assert.equal(statSync(path).size, size);
  }
  await assert.rejects(appendVerityTree({ data: path, salt: Buffer.alloc(257) }), { code: 'invalid' });
  await assert.rejects(appendVerityTree({ data: scratch.at('none') }), { code: 'not-found' });
  truncateSync(path, 100_000 * 4096);
  const abort = new AbortController();
  const appended = appendVerityTree({ data: path, signal: abort.signal });
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  abort.abort();
  await assert.rejects(appended, { code: 'cancelled' });
  assert.equal(statSync(path).size, 100_000 * 4096);
});

test('a flipped bit anywhere in data, superblock and tree of one file', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const path = scratch.at('data');
  for (const blocks of [1, 2, 128, 130, 300]) {
    writeFileSync(path, noise(seed + blocks, blocks * 4096));
    const { rootHash, hashOffset } = await appendVerityTree({ data: path });
    const bytes = readFileSync(path);
    for (let round = 0; round < 150; round++) {
      const at = random.chance(0.4) ? hashOffset + random.integer(600) : random.integer(bytes.length);
      const mask = 2 ** random.integer(8);
      bytes[at]! ^= mask;
      writeFileSync(path, bytes);
      const block = Math.floor(at / 4096);
      const where = `${blocks} blocks, byte ${at}, bit ${mask}`;
      for (const options of [{}, { tree: path, hashOffset }]) {
        await assert.rejects(verifyVerityTree({ data: path, rootHash, ...options }), error => {
          const { code, detail } = error as { code: string; detail: Record<string, unknown> };
          if (block === blocks) return ['corrupt', 'invalid', 'unsupported'].includes(code);
          const what = block < blocks ? 'data' : 'hash';
          assert.equal(code, 'corrupt', where);
          assert.deepEqual(detail, { path, what, block, offset: block * 4096 }, where);
          return true;
        });
      }
      bytes[at]! ^= mask;
    }
    // A byte more or less, or a block.
    for (const size of [-4096, -1, 1, 4096]) {
      writeFileSync(path, size < 0 ? bytes.subarray(0, size) : Buffer.concat([bytes, Buffer.alloc(size)]));
      // Of one block there is only the superblock to lose.
      const code = size === -4096 && blocks === 1 ? 'invalid' : 'corrupt';
      await assert.rejects(verifyVerityTree({ data: path, rootHash, hashOffset }), { code }, `${size}`);
    }
    writeFileSync(path, bytes);
    await verifyVerityTree({ data: path, rootHash });
  }
});

test('where no tree is', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const rootHash = '00'.repeat(32);
  for (const size of [0, 1, 4096, 8192, 12_288, 100 * 4096]) {
    writeFileSync(path, noise(1, size));
    assert.equal(findAppendedTree(path), undefined);
    await assert.rejects(verifyVerityTree({ data: path, rootHash }), {
      name: 'VerityError',
      code: 'invalid',
    });
  }
  for (const hashOffset of [1, 4095, 4096, 2 ** 40, -4096]) {
    await assert.rejects(verifyVerityTree({ data: path, rootHash, hashOffset }), { code: 'invalid' });
  }
});
