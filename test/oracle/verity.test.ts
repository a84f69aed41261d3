import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { test } from 'node:test';
import {
  appendVerityTree,
  measureFile,
  readVeritySuperblock,
  VerityFollower,
  verifyVerityTree,
} from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';
import { noise } from '../store/sample.ts';
import { formatUuid } from '../verity/model.ts';

const fsverity = (path: string) =>
  execFileSync('fsverity', ['digest', '--compact', path], { encoding: 'utf8' }).trim();

function format(data: string, tree: string, ...options: string[]): string {
  const report = execFileSync('veritysetup', ['format', data, tree, ...options], { encoding: 'utf8' });
  return /^Root hash:\s*([0-9a-f]{64})$/m.exec(report)![1]!;
}

/** Most of it holes. */
function createSparse(path: string, size: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const at of [0, Math.floor(size / 2), size - 5000]) {
    const bytes = noise(at, 5000);
    writeSync(fd, bytes, 0, Math.min(5000, size), Math.max(0, at));
  }
  ftruncateSync(fd, size);
  closeSync(fd);
}

const most = 128 * 128 * 4096;

test('one pass gives what veritysetup and fsverity compute', {
  skip: requires({ tools: ['veritysetup', 'fsverity'] }),
}, async () => {
  using scratch = createScratch();
  const [data, tree] = [scratch.at('data'), scratch.at('tree')];
  for (const size of [
    0,
    1,
    4095,
    4096,
    4097,
    8192,
    524_287,
    524_288,
    524_289,
    528_384,
    most - 4096,
    most,
    most + 1,
    most + 4096,
  ]) {
    createSparse(data, size);
    const measured = await measureFile(data, { jobs: 2 });
    assert.equal(measured.fsverity, `sha256:${fsverity(data)}`, `${size} bytes`);
    if (size > 0 && size % 4096 === 0) {
      assert.equal(measured.rootHash, format(data, tree, '--salt=-'), `${size} bytes`);
    } else assert.equal(measured.rootHash, undefined);
  }
});

test('an appended tree is veritysetup’s', { skip: requires({ tools: ['veritysetup'] }) }, async () => {
  using scratch = createScratch();
  const [ours, theirs] = [scratch.at('ours'), scratch.at('theirs')];
  for (const [blocks, salt] of [
    [1, ''],
    [2, ''],
    [129, ''],
    [300, 'c0ffee'],
    [most / 4096 + 1, ''],
  ] as const) {
    createSparse(ours, blocks * 4096);
    copyFileSync(ours, theirs);
    const { rootHash, hashOffset } = await appendVerityTree({
      data: ours,
      salt: Buffer.from(salt, 'hex'),
      jobs: 2,
    });
    const offset = `--hash-offset=${blocks * 4096}`;
    execFileSync('veritysetup', ['verify', ours, ours, rootHash, offset], { stdio: 'pipe' });
    const { uuid } = readVeritySuperblock(readFileSync(ours).subarray(hashOffset, hashOffset + 4096));
    const root = format(theirs, theirs, offset, `--salt=${salt || '-'}`, `--uuid=${formatUuid(uuid)}`);
    assert.equal(root, rootHash);
    assert.ok(readFileSync(ours).equals(readFileSync(theirs)), `${blocks} blocks`);
    // And theirs with a UUID of its own, a random salt, and where it is not said.
    createSparse(theirs, blocks * 4096);
    const other = format(theirs, theirs, offset);
    const found = await verifyVerityTree({ data: theirs, rootHash: other });
    assert.equal(found.hashOffset, blocks * 4096);
    assert.equal(found.salt.length, 64);
  }
});

test('what was followed while it was written', {
  skip: requires({ tools: ['veritysetup', 'fsverity'] }),
}, async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'wx+');
  const block = noise(1, 2 ** 20);
  await using follower = new VerityFollower({ path, fd }, { tree: 'appended' });
  let end = 0;
  for (; end < 48 * 2 ** 20; end += block.length) {
    writeSync(fd, block, 0, block.length, end);
    follower.advance(end + block.length);
  }
  writeSync(fd, 'superblock', 0);
  const followed = await follower.finish({ size: end, rewritten: [[0, 10]] });
  closeSync(fd);
  execFileSync('veritysetup', ['verify', path, path, followed.rootHash!, `--hash-offset=${end}`], {
    stdio: 'pipe',
  });
  assert.equal(followed.fsverity, `sha256:${fsverity(path)}`);
  const bytes = readFileSync(path);
  bytes[end - 1]! ^= 1;
  writeFileSync(path, bytes);
  assert.throws(() =>
    execFileSync('veritysetup', ['verify', path, path, followed.rootHash!, `--hash-offset=${end}`], {
      stdio: 'pipe',
    }),
  );
});
