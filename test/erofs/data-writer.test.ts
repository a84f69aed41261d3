/** The data area of an image that stores files as they are. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type ChunkedData, hole } from '../../src/erofs/data.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { type Given, sizeOf, write, writeAndCheck } from './contents.ts';

const noise = (blocks: number, tail = 0): Buffer => randomBytes(blocks * 4096 + tail);

test('files lie one behind the other in whole blocks, in the order given', async () => {
  const { files, end, tails } = await writeAndCheck([noise(2), noise(1), noise(3, 4000), noise(1)]);
  assert.deepEqual(
    files.slice(0, 3).map(data => data.kind !== 'chunked' && data.kind !== 'compressed' && data.start),
    [4096, 3 * 4096, 4 * 4096],
  );
  assert.equal(end % 4096, 0);
  assert.ok(tails.position === 0 || tails.position === 4000);
});

test('short ends are kept for the inodes, and cost no block', async () => {
  const given = [noise(0, 1), noise(0, 100), noise(5, 100), noise(1), noise(0, 7)];
  const { files, end, tails } = await writeAndCheck(given);
  assert.deepEqual(
    files.map(({ kind }) => kind),
    ['inline', 'inline', 'inline', 'plain', 'inline'],
  );
  assert.equal(end, 4096 + 6 * 4096);
  assert.equal(tails.position, 208);
});

test('what is over a block’s end is zeros, whatever lay in memory behind the file', async () => {
  // `readBack` looks at it.
  await writeAndCheck([noise(0, 4095), noise(1, 4090), noise(0, 4095)]);
});

test('large files and very many small ones take few writes', async () => {
  const large = await writeAndCheck([noise(1000), noise(1, 10), noise(2000)]);
  // 12 slabs' worth, each in one piece or two.
  assert.ok(large.output.calls <= 30, `${large.output.calls} calls`);
  const small = await writeAndCheck(Array.from({ length: 3000 }, () => noise(1)));
  assert.ok(small.output.calls <= 30, `${small.output.calls} calls`);
  assert.equal(small.output.bytes, 3000 * 4096);
});

test('holes of a sparse file take no room, in chunks', async () => {
  const text = noise(1);
  const given: Given[] = [
    [text, 8192, text],
    [8192],
    [text, 4097],
    [1_000_000, Buffer.from('x')],
    [4096 * 3, noise(0, 100)],
  ];
  const { files, end } = await writeAndCheck(given);
  const chunks = files.map(data => Array.from((data as ChunkedData).starts, at => (at === hole ? '-' : 'x')));
  assert.deepEqual(chunks.slice(0, 3), [
    ['x', '-', '-', 'x'],
    ['-', '-'],
    ['x', '-', '-'],
  ]);
  assert.equal(chunks[3]!.filter(each => each === 'x').length, 1);
  assert.deepEqual(chunks[4], ['-', '-', '-', 'x']);
  assert.equal(end, 4096 + 5 * 4096);
});

test('a hole that leaves no chunk out is stored, and the file is as if it had none', async () => {
  const given: Given[] = [
    [noise(0, 4000), 200, noise(0, 3992)],
    [noise(0, 10), 20, noise(0, 30)],
    [50],
    [4096],
  ];
  const { files } = await writeAndCheck(given);
  assert.ok(files.every(({ kind }) => kind === 'plain' || kind === 'inline'));
});

test('a file of 1 TiB with next to nothing in it', async () => {
  const size = 2 ** 40;
  const given = [[noise(3), size / 2 - 3 * 4096, noise(1), size / 2 - 4096 - 1, Buffer.from('x')]];
  const { files, output, end } = await write(given);
  const data = files[0] as ChunkedData;
  assert.equal(data.chunkBytes, 2 ** 24);
  assert.equal(data.starts.length, 65536);
  assert.equal(Array.from(data.starts).filter(at => at !== hole).length, 3);
  assert.equal(output.bytes, 4 * 4096 + 1);
  assert.equal(end, 4096 + 3 * 2 ** 24);
  for (const [chunk, byte] of [[65535, 0x78]] as const) {
    assert.equal(output.read(data.starts[chunk]! + 2 ** 24 - 1, 1)[0], byte);
  }
});

test('what was forgotten leaves nothing', async () => {
  const given = [noise(3, 5), [noise(1), 8192, noise(1)], noise(0, 3000)];
  const forgotten = [noise(0, 4095), noise(700), noise(0, 60)];
  const [again, once] = [await writeAndCheck(given, { forgotten }), await write(given)];
  assert.equal(again.end, once.end);
  assert.ok(again.output.read(0, again.end).equals(once.output.read(0, once.end)));
});

test('an image has no more blocks than the format can count', async () => {
  const start = (2 ** 32 - 3) * 4096;
  await write([noise(2)], { start });
  await assert.rejects(write([noise(3)], { start }), { name: 'ErofsError', code: 'unsupported' });
});

const seed = readSeed();
test(`random files in the smallest pool (SEED=${seed})`, async () => {
  const random = createRandom(seed);
  for (let round = 0; round < 20; round++) {
    const given = Array.from({ length: random.integer(60) }, (): Given => {
      const size = 1 + random.integer(random.pick([10, 5000, 5000, 100_000, 3_000_000]));
      if (random.chance(0.7)) return randomBytes(size);
      return Array.from({ length: 1 + random.integer(5) }, () => {
        const length = 1 + random.integer(random.pick([100, 10_000, 500_000]));
        return random.chance(0.5) ? randomBytes(length) : length;
      });
    });
    assert.ok(given.every(file => sizeOf(file) > 0));
    // The one that is being filled, and what `reserve` asks for.
    await writeAndCheck(given, { threads: 1, slabs: 5 });
  }
});
