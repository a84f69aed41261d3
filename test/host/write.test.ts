import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { writeAll, writePieces } from '../../src/host/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { noise } from '../store/sample.ts';
import { createScratch } from './scratch.ts';

const seed = readSeed();

test(`pieces of all sizes, empty ones too, lie one behind the other (SEED=${seed})`, () => {
  using scratch = createScratch();
  const random = createRandom(seed);
  const source = noise(seed, 2 ** 20);
  for (let round = 0; round < 20; round++) {
    const sizes = Array.from({ length: random.integer(random.pick([3, 40, 2500])) }, () =>
      random.integer(random.pick([2, 700, 300_000])),
    );
    const pieces = sizes.map(size => source.subarray(random.integer(1000)).subarray(0, size));
    const path = scratch.at(`${round}`);
    const fd = openSync(path, 'wx');
    writePieces(fd, pieces, 12_345);
    writeAll(fd, source.subarray(0, 12_345), 0);
    closeSync(fd);
    const expected = Buffer.concat([source.subarray(0, 12_345), ...pieces]);
    assert.ok(readFileSync(path).equals(expected), `round ${round}`);
  }
});
