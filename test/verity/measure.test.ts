import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  createVerityTree,
  fsverityDigest,
  measureFile,
  parseFsverityDigest,
} from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { noise } from '../store/sample.ts';
import { modelFsverity, modelTree } from './model.ts';

const group = 128 * 4096;

test('one pass gives both hashes, as the documentation says', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  for (const size of [
    0,
    1,
    4095,
    4096,
    4097,
    8192,
    group - 1,
    group,
    group + 1,
    group + 4096,
    3 * group - 7,
  ]) {
    const data = noise(size, size);
    writeFileSync(path, data);
    const isWhole = size > 0 && size % 4096 === 0;
    assert.deepEqual(
      await measureFile(path),
      {
        size,
        rootHash: isWhole ? modelTree(data, Buffer.alloc(0)).root : undefined,
        salt: '',
        dataBlocks: isWhole ? size / 4096 : 0,
        fsverity: modelFsverity(data),
      },
      `${size} bytes`,
    );
  }
});

test('a tree without a salt knows the fs-verity digest, and so does every number of threads', async () => {
  using scratch = createScratch();
  const data = scratch.at('data');
  // Large enough for three threads.
  const size = 80_000 * 4096;
  const fd = openSync(data, 'w');
  ftruncateSync(fd, size);
  for (const block of [0, 40_000, 79_999]) writeSync(fd, noise(block, 4096), 0, 4096, block * 4096);
  closeSync(fd);
  const { rootHash, salt } = await createVerityTree({ data, tree: scratch.at('tree') });
  assert.equal(salt, '');
  for (const jobs of [1, 2, 4]) {
    const measured = await measureFile(data, { jobs });
    assert.equal(measured.rootHash, rootHash);
    assert.equal(measured.fsverity, fsverityDigest(rootHash, size));
  }
});

test('what cannot be measured', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  await assert.rejects(measureFile(path), { code: 'not-found' });
  await assert.rejects(measureFile(scratch.path), { name: 'VerityError', code: 'invalid' });
  const fd = openSync(path, 'w');
  ftruncateSync(fd, 20_000 * 4096);
  await assert.rejects(measureFile(path, { signal: AbortSignal.abort() }), { code: 'cancelled' });
  for (const change of [() => writeSync(fd, 'x', 0), () => ftruncateSync(fd, 4096)]) {
    const measured = measureFile(path, { jobs: 1 });
    await setImmediate();
    change();
    await assert.rejects(measured, { name: 'VerityError', code: 'conflict' });
  }
  closeSync(fd);
});

test('what is no fs-verity digest', () => {
  const digest = `sha256:${'Ab'.repeat(32)}`;
  assert.equal(parseFsverityDigest(digest), digest.toLowerCase());
  for (const text of ['', 'ab'.repeat(32), `sha512:${'ab'.repeat(64)}`, `${digest}0`, digest.slice(0, -1)]) {
    assert.throws(() => parseFsverityDigest(text), { name: 'VerityError', code: 'invalid' }, text);
  }
});
