import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createVerityTree, measureFile, VerityFollower } from '../../src/verity/index.ts';
import { createScratch } from '../host/scratch.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { noise } from '../store/sample.ts';

const mebibyte = 2 ** 20;
const trees = ['none', 'beside', 'appended'] as const;

test('the result is that of reading it at the end, whatever was announced and taken back', async t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const random = createRandom(seed);
  const source = noise(seed, mebibyte);
  // Those of more than 32 MiB get a thread.
  for (const most of [1, 8192, 3 * mebibyte, 40 * mebibyte, 44 * mebibyte, 50 * mebibyte]) {
    // Those of more than 32 MiB get a thread, and are too large to have them all.
    for (const kind of most < 32 * mebibyte ? trees : [trees[(most / mebibyte) % 3]!]) {
      using scratch = createScratch();
      const path = scratch.at('data');
      const fd = openSync(path, 'wx+');
      const target = openSync(scratch.at('tree'), 'wx+');
      // Zeros that will be something else: whoever reads too early finds them.
      ftruncateSync(fd, 2 * most);
      let end = 4096;
      {
        await using follower = new VerityFollower(
          { path, fd },
          {
            tree:
              kind === 'none'
                ? undefined
                : kind === 'appended'
                  ? kind
                  : { path: scratch.at('tree'), fd: target },
          },
        );
        const rewritten: [number, number][] = [[0, 96]];
        while (end < most) {
          const from = random.integer(mebibyte / 2);
          const length = Math.min(1 + random.integer(mebibyte / 2 - 1), most - end);
          end += writeSync(fd, source, from, length, end);
          if (random.chance(0.5)) follower.advance(end);
          if (random.chance(0.05)) {
            const back = Math.max(4096, end - random.integer(20 * mebibyte));
            // What goes away, and is written anew from here, need not be told twice.
            follower.takeBack(back);
            ftruncateSync(fd, back);
            ftruncateSync(fd, 2 * most);
            end = back + Math.floor((end - back) / 2);
            for (let at = back; at < end; at += source.length)
              writeSync(fd, source, 0, Math.min(source.length, end - at), at);
          }
          if (random.chance(0.05)) {
            const at = random.integer(end);
            writeSync(fd, source, 0, Math.min(100_000, end - at), at);
            rewritten.push([at, Math.min(at + 100_000, end)]);
          }
          if (random.chance(0.1)) await setTimeout(random.integer(3));
        }
        if (kind !== 'none' || random.chance(0.5)) end = Math.ceil(end / 4096) * 4096;
        writeSync(fd, source, 5, 96, 0);
        ftruncateSync(fd, end);
        const where = `up to ${most}, ${kind}, ${end} bytes`;
        const followed = await follower.finish({ size: end, rewritten });
        const digest = createHash('sha256').update(readFileSync(path).subarray(0, end)).digest('hex');
        assert.equal(await follower.digest(end), digest);
        const data = scratch.at('copy');
        const copy = openSync(data, 'wx');
        writeSync(copy, readFileSync(path).subarray(0, end));
        closeSync(copy);
        const { size, fsverity, ...measured } = await measureFile(data);
        const { tree, size: total, fsverity: whole, ...hashes } = followed;
        assert.deepEqual(hashes, measured, where);
        assert.deepEqual(
          { size: total, whole },
          kind === 'appended' ? rename(await measureFile(path)) : { size, whole: fsverity },
        );
        if (kind === 'none') assert.equal(tree, undefined);
        else {
          const created = await createVerityTree({ data, tree: scratch.at('created') });
          const expected = readFileSync(created.path);
          if (kind === 'beside') {
            assert.deepEqual(tree, { ...created, path: scratch.at('tree') });
            assert.ok(readFileSync(scratch.at('tree')).equals(expected), where);
          } else {
            assert.deepEqual(tree, { ...created, path, hashOffset: end });
            assert.ok(readFileSync(path).subarray(end).equals(expected), where);
          }
        }
      }
      const left = readdirSync(scratch.path).filter(name => name.startsWith('.'));
      assert.deepEqual(left, [], 'the spool has no name');
      closeSync(fd);
      closeSync(target);
    }
  }
});

function rename({ size, fsverity }: { size: number; fsverity: string }) {
  return { size, whole: fsverity };
}

test('nothing, and what no tree can be made of', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'wx+');
  for (const size of [0, 1, 5000]) {
    ftruncateSync(fd, size);
    await using plain = new VerityFollower({ path, fd });
    assert.deepEqual(await plain.finish({ size }), { ...(await measureFile(path)), tree: undefined });
    await using follower = new VerityFollower({ path, fd }, { tree: 'appended' });
    await assert.rejects(follower.finish({ size }), { name: 'VerityError', code: 'invalid' });
  }
  closeSync(fd);
});

test('a thread that fails is heard of at once, and by who waits', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'w'); // Nobody can read from it.
  ftruncateSync(fd, 64 * mebibyte);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await using follower = new VerityFollower({ path, fd }, { fail: resolve });
  follower.advance(64 * mebibyte);
  assert.match(String(await promise), /EBADF/);
  await assert.rejects(follower.finish({ size: 64 * mebibyte }));
  closeSync(fd);
});

test('a file that is shorter than was said', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'wx+');
  ftruncateSync(fd, 4096);
  for (const size of [8192, 100 * mebibyte]) {
    await using follower = new VerityFollower({ path, fd });
    follower.advance(size);
    await assert.rejects(follower.finish({ size }), { code: 'conflict' });
  }
  closeSync(fd);
});

test('whoever gives up waits for one step, not for the end', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'wx+');
  ftruncateSync(fd, 2 ** 34);
  const follower = new VerityFollower({ path, fd }, { tree: 'appended' });
  follower.advance(2 ** 34);
  const finished = assert.rejects(follower.finish({ size: 2 ** 34 }));
  await setTimeout(100);
  const begin = performance.now();
  await follower[Symbol.asyncDispose]();
  assert.ok(performance.now() - begin < 3000);
  await finished;
  closeSync(fd);
});

test('what comes when all is over starts no thread', async () => {
  using scratch = createScratch();
  const path = scratch.at('data');
  const fd = openSync(path, 'wx+');
  ftruncateSync(fd, 64 * mebibyte);
  const countThreads = () => process.getActiveResourcesInfo().filter(kind => kind === 'MessagePort').length;
  const before = countThreads();
  const follower = new VerityFollower({ path, fd });
  await follower[Symbol.asyncDispose]();
  follower.advance(64 * mebibyte);
  assert.equal(countThreads(), before);
  closeSync(fd);
});
