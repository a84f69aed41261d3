import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  createVerityTree,
  readVeritySuperblock,
  verifyVerityTree,
  verityTable,
} from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { requires } from '../requirement.ts';
import { noise } from '../store/sample.ts';
import { formatUuid, modelTree } from './model.ts';

/** A file of so many blocks, most of them holes. */
function createSparse(path: string, blocks: number, written: readonly number[]): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, blocks * 4096);
  for (const block of written) writeSync(fd, noise(block, 4096), 0, 4096, block * 4096);
  closeSync(fd);
}

const salts = ['', 'a5', 'c0ffee'.repeat(10), '00'.repeat(32), 'fe'.repeat(256)];

test('as the documentation says, with any salt', async () => {
  using scratch = createScratch();
  for (const blocks of [1, 2, 3, 127, 128, 129, 256, 300]) {
    const data = noise(blocks, blocks * 4096);
    writeFileSync(scratch.at('data'), data);
    for (const text of salts) {
      const salt = Buffer.from(text, 'hex');
      const path = scratch.at(`tree-${blocks}-${text.length}`);
      const tree = await createVerityTree({ data: scratch.at('data'), tree: path, salt });
      const { root, hashBlocks } = modelTree(data, salt);
      assert.deepEqual(tree, { path, rootHash: root, salt: text, dataBlocks: blocks, hashOffset: 0 });
      assert.ok(readFileSync(path).subarray(4096).equals(hashBlocks), `${blocks} blocks, salt ${text}`);
      assert.deepEqual(
        await verifyVerityTree({ data: scratch.at('data'), tree: path, rootHash: root }),
        tree,
      );
    }
  }
});

const skip = requires({ tools: ['veritysetup'] });
const most = 128 * 128;

test('veritysetup makes the same bytes, and accepts ours', { skip }, async t => {
  for (const [index, blocks] of [1, 2, 128, 129, most - 1, most, most + 1, 26_000].entries()) {
    await t.test(`${blocks} blocks`, async () => {
      using scratch = createScratch();
      const [data, tree, theirs] = [scratch.at('data'), scratch.at('tree'), scratch.at('theirs')];
      createSparse(data, blocks, [0, blocks - 1, Math.floor(blocks / 2)]);
      const salt = salts[index % salts.length]!;
      // One size is large enough for a second thread.
      const made = await createVerityTree({ data, tree, salt: Buffer.from(salt, 'hex'), jobs: 2 });
      const { uuid } = readVeritySuperblock(readFileSync(tree).subarray(0, 4096));
      const saltText = salt === '' ? '-' : salt;
      const options = [`--salt=${saltText}`, `--uuid=${formatUuid(uuid)}`];
      const report = execFileSync('veritysetup', ['format', data, theirs, ...options], { encoding: 'utf8' });
      assert.equal(made.rootHash, /^Root hash:\s*([0-9a-f]{64})$/m.exec(report)![1]);
      assert.ok(readFileSync(tree).equals(readFileSync(theirs)), 'other bytes');
      execFileSync('veritysetup', ['verify', data, tree, made.rootHash], { stdio: 'pipe' });
    });
  }
});

test('a tree with a UUID of veritysetup is accepted, and one with another hash named', { skip }, async () => {
  using scratch = createScratch();
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  createSparse(data, 200, [7]);
  const format = (...options: string[]) => {
    const report = execFileSync('veritysetup', ['format', data, tree, ...options], { encoding: 'utf8' });
    return /^Root hash:\s*([0-9a-f]+)$/m.exec(report)![1]!;
  };
  const rootHash = format();
  const { salt } = await verifyVerityTree({ data, tree, rootHash: rootHash.toUpperCase() });
  assert.equal(salt.length, 64);
  for (const option of ['--hash=sha512', '--hash-block-size=1024', '--data-block-size=1024', '--format=0']) {
    const root = format(option).slice(0, 64);
    await assert.rejects(verifyVerityTree({ data, tree, rootHash: root }), { code: 'unsupported' }, option);
  }
});

test('the same bytes, however many threads', async () => {
  using scratch = createScratch();
  const data = scratch.at('data');
  createSparse(data, 80_000, [1, 40_000, 79_999]);
  const trees = await Promise.all(
    [1, 2, 4].map(jobs =>
      createVerityTree({ data, tree: scratch.at(`${jobs}`), salt: Buffer.alloc(32), jobs }),
    ),
  );
  const [first, ...others] = trees.map(({ path }) => readFileSync(path));
  for (const other of others) assert.ok(other.equals(first!));
  const fd = openSync(data, 'r+');
  for (const block of [70_000, 50_000]) writeSync(fd, 'x', block * 4096 + 5);
  closeSync(fd);
  for (const jobs of [1, 2, 4]) {
    const { path: tree, rootHash } = trees[0]!;
    // The lowest of two, whichever thread meets its own first.
    await assert.rejects(verifyVerityTree({ data, tree, rootHash, jobs }), {
      code: 'corrupt',
      detail: { path: data, what: 'data', block: 50_000, offset: 50_000 * 4096 },
    });
  }
});

test('a flipped bit is found wherever it is, and its block is named', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  using scratch = createScratch();
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  for (const blocks of [1, 2, 130, 300]) {
    writeFileSync(data, noise(seed + blocks, blocks * 4096));
    const salt = noise(blocks, random.integer(257));
    const { path, rootHash } = await createVerityTree({ data, tree: scratch.at(`tree-${blocks}`), salt });
    writeFileSync(tree, readFileSync(path));
    for (let round = 0; round < 120; round++) {
      const file = random.pick([data, tree]);
      const bytes = readFileSync(file);
      const at = random.chance(0.3)
        ? random.integer(Math.min(512, bytes.length))
        : random.integer(bytes.length);
      const mask = 2 ** random.integer(8);
      bytes[at]! ^= mask;
      writeFileSync(file, bytes);
      const block = Math.floor(at / 4096);
      const where = `${blocks} blocks, byte ${at} of ${file}, bit ${mask}`;
      await assert.rejects(verifyVerityTree({ data, tree, rootHash }), error => {
        const { name, code, detail } = error as {
          name: string;
          code: string;
          detail: Record<string, unknown>;
        };
        assert.equal(name, 'VerityError', where);
        if (file === tree && block === 0) return ['corrupt', 'invalid', 'unsupported'].includes(code);
        const what = file === data ? 'data' : 'hash';
        assert.equal(code, 'corrupt', where);
        assert.deepEqual(detail, { path: file, what, block, offset: block * 4096 }, where);
        return true;
      });
      bytes[at]! ^= mask;
      writeFileSync(file, bytes);
    }
    await verifyVerityTree({ data, tree, rootHash });
    const other = Buffer.from(rootHash, 'hex');
    other[random.integer(32)]! ^= 1;
    await assert.rejects(verifyVerityTree({ data, tree, rootHash: other.toString('hex') }), {
      code: 'corrupt',
    });
  }
});

test('files that are longer or shorter than the tree says', async () => {
  using scratch = createScratch();
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  writeFileSync(data, noise(1, 200 * 4096));
  const { rootHash } = await createVerityTree({ data, tree, salt: Buffer.alloc(0) });
  for (const file of [data, tree]) {
    const bytes = readFileSync(file);
    for (const changed of [bytes.subarray(0, -4096), bytes.subarray(0, -1), Buffer.concat([bytes, bytes])]) {
      writeFileSync(file, changed);
      await assert.rejects(verifyVerityTree({ data, tree, rootHash }), {
        name: 'VerityError',
        code: 'corrupt',
      });
    }
    writeFileSync(file, bytes);
  }
  writeFileSync(tree, '');
  await assert.rejects(verifyVerityTree({ data, tree, rootHash }), { name: 'VerityError', code: 'invalid' });
  await assert.rejects(verifyVerityTree({ data, tree, rootHash: '12' }), { code: 'invalid' });
  await assert.rejects(verifyVerityTree({ data, tree: scratch.at('none'), rootHash }), { code: 'not-found' });
});

test('what no tree can be made of is refused, and nothing is left', async () => {
  using scratch = createScratch();
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  const salt = Buffer.alloc(32);
  for (const size of [0, 1, 4095, 4097, 12_000]) {
    writeFileSync(data, Buffer.alloc(size));
    await assert.rejects(
      createVerityTree({ data, tree, salt }),
      { name: 'VerityError', code: 'invalid' },
      `${size}`,
    );
  }
  writeFileSync(data, Buffer.alloc(8192));
  const rejects = (options: object, code: string) =>
    assert.rejects(createVerityTree({ data, tree, salt, ...options }), { code });
  await rejects({ salt: Buffer.alloc(257) }, 'invalid');
  await rejects({ data: scratch.path }, 'invalid');
  await rejects({ data: scratch.at('none') }, 'not-found');
  await rejects({ tree: scratch.at('none/tree') }, 'not-found');
  await rejects({ tree: data }, 'exists');
  await rejects({ signal: AbortSignal.abort() }, 'cancelled');
  assert.deepEqual(readdirSync(scratch.path), ['data']);
  assert.equal(statSync(data).size, 8192);
});

test('an abort ends it soon, and nothing is left', async () => {
  using scratch = createScratch();
  const data = scratch.at('data');
  createSparse(data, 200_000, []);
  for (const jobs of [1, 2]) {
    const abort = new AbortController();
    const made = createVerityTree({
      data,
      tree: scratch.at('tree'),
      salt: Buffer.alloc(8),
      jobs,
      signal: abort.signal,
    });
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    const began = performance.now();
    abort.abort();
    await assert.rejects(made, { code: 'cancelled' });
    assert.ok(performance.now() - began < 3000);
    assert.deepEqual(readdirSync(scratch.path), ['data']);
  }
});

test('data that is written to, or cut, while it is hashed', async () => {
  using scratch = createScratch();
  const data = scratch.at('data');
  for (const change of [(fd: number) => writeSync(fd, 'x', 0), (fd: number) => ftruncateSync(fd, 4096)]) {
    createSparse(data, 20_000, []);
    const made = createVerityTree({ data, tree: scratch.at('tree'), salt: Buffer.alloc(8), jobs: 1 });
    await setImmediate();
    const fd = openSync(data, 'r+');
    change(fd);
    closeSync(fd);
    await assert.rejects(made, { name: 'VerityError', code: 'conflict' });
    assert.deepEqual(readdirSync(scratch.path), ['data']);
  }
});

test("the device mapper's table", () => {
  const [rootHash, salt] = ['ab'.repeat(32), 'cd'.repeat(32)];
  const shape = { rootHash, salt, dataBlocks: 1000 };
  // version, devices, block sizes, data blocks, first hash block, hash, root, salt (admin-guide/device-mapper/verity.rst)
  assert.deepEqual(verityTable(shape, '/dev/vda', '254:16'), {
    table: `1 /dev/vda 254:16 4096 4096 1000 1 sha256 ${rootHash} ${salt}`,
    sectors: 8000,
  });
  assert.match(verityTable({ ...shape, salt: '' }, '/dev/vda', '/dev/vdb').table, / -$/);
  for (const device of ['', '/dev/vd a', '/dev/vda\n']) {
    assert.throws(() => verityTable(shape, device, '/dev/vdb'), { code: 'invalid' });
  }
});
