/** Hashes computed behind a writer, whatever it writes again, cuts off or leaves out, are those of the file. */
import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { test } from 'node:test';
import { createAtomicFile } from '../../src/host/index.ts';
import { fileAccess } from '../../src/render/sink/file-access.ts';
import { FollowedFile } from '../../src/render/sink/followed-file.ts';
import { measureFile, VerityFollower } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';

const seed = readSeed();
const mebibyte = 2 ** 20;

/** As images are written: forwards in large pieces, with holes, things taken back, and the superblock last. */
function write(file: FollowedFile, random: Random, bytes: Buffer): void {
  const access = fileAccess(file);
  const piece = () => {
    const start = random.integer(bytes.length - 3 * mebibyte);
    return bytes.subarray(start, start + 1 + random.integer(3 * mebibyte));
  };
  let position = 4096;
  for (let step = 0; step < 60; step++) {
    const kind = random.integer(10);
    if (kind === 0) position += random.integer(100_000);
    else if (kind === 1) position = Math.max(4096, position - random.integer(5 * mebibyte));
    else if (kind === 2 && random.chance(0.3)) {
      position = random.chance(0.5) ? 4096 : Math.max(4096, position - random.integer(40 * mebibyte));
      file.truncate(position);
    } else if (kind === 3) {
      const chunk = piece();
      file.writeAt(chunk, position);
      position += chunk.length;
    } else {
      const chunks = [piece(), piece()];
      access.writeAt(position, chunks);
      position += chunks[0]!.length + chunks[1]!.length;
    }
  }
  file.truncate(Math.ceil(Math.max(position, file.size) / 4096) * 4096);
  file.writeAt(bytes.subarray(0, 3000), 0);
}

test(`what is measured on the way is what is measured afterwards (SEED=${seed})`, async () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  const bytes = Buffer.from(Uint8Array.from({ length: 5 * mebibyte }, () => random.integer(256)));
  for (let round = 0; round < 6; round++) {
    const path = `${scratch.path}/file-${round}`;
    const fail = (error: unknown) => assert.fail(String(error));
    await using file = new FollowedFile(await createAtomicFile(path), fail);
    write(file, random, bytes);
    assert.equal(file.measured, undefined);
    await file.commit();
    assert.deepEqual(file.measured, await measureFile(path), `round ${round}`);
  }
});

test('what is written straight on is announced once it is there, and hashed once', async context => {
  using scratch = createScratch();
  const advance = context.mock.method(VerityFollower.prototype, 'advance');
  const finish = context.mock.method(VerityFollower.prototype, 'finish');
  await using file = new FollowedFile(await createAtomicFile(`${scratch.path}/file`), assert.ifError);
  const access = fileAccess(file);
  const chunk = Buffer.alloc(mebibyte, 7);
  let told = 0;
  for (let position = 0; position < 4 * mebibyte; position += chunk.length) {
    const before = fstatSync(file.fd).size;
    advance.mock.mockImplementation((end: number) => {
      told += 1;
      assert.equal(end, before + chunk.length);
      assert.equal(fstatSync(file.fd).size, end);
    });
    access.writeAt(position, [chunk]);
  }
  advance.mock.restore();
  await file.commit();
  assert.equal(told, 4);
  assert.deepEqual(finish.mock.calls[0]!.arguments[0].rewritten, []);
});
