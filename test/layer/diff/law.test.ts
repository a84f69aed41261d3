/** diff(apply(layer)) = layer, in each form; and what makes one directory of another is what it says. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { compareDirectories, readUpper, type WhiteoutForm } from '../../../src/layer/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { listDirectory } from '../../model/disk.ts';
import { applyModel } from '../../model/model.ts';
import { createRandom, readSeed } from '../../model/random.ts';
import { formatStack } from '../../model/record.ts';
import { createTameStack } from '../../model/tame.ts';
import { createWildStack } from '../../model/wild.ts';
import { requires } from '../../requirement.ts';
import { applyPlain, applyRecords, canBeSpelled, makeHoldable } from '../apply/stacks.ts';
import { canonical, recordsOf } from './records.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 40);
const skip = requires({ root: true, tools: ['getfattr', 'cp'] });
const created = { seconds: 1_234_567, nanoseconds: 5 };

describe(`diff(apply(layer)) = layer (SEED=${seed} COUNT=${rounds})`, { skip }, () => {
  for (const form of ['overlay', 'overlay-user', 'fuse-overlayfs', 'aufs'] satisfies WhiteoutForm[]) {
    test(form, async () => {
      using scratch = new Scratch();
      for (let round = 0; round < rounds; round += 1) {
        const stack = createTameStack(createRandom(seed + round));
        for (const [index, layer] of stack.entries()) {
          const path = scratch.directory(`${round}-${index}`);
          const records = makeHoldable(layer);
          await applyRecords(records, path, form);
          const back = await recordsOf(readUpper({ path, form }), scratch.file(`layer-${round}-${index}`));
          const where = `SEED=${seed + round} COUNT=1 layer ${index}\n${formatStack([records])}\n`;
          assert.deepEqual(canonical(back), canonical(records), where);
        }
      }
    });
  }
});

test(`what makes one directory of another (SEED=${seed} COUNT=${rounds})`, { skip }, async () => {
  using scratch = new Scratch();
  for (let round = 0; round < rounds; round += 1) {
    const random = createRandom(seed + round);
    const stack = (random.chance(0.5) ? createTameStack(random) : createWildStack(random)).map(makeHoldable);
    const where = `SEED=${seed + round} COUNT=1\n${formatStack(stack)}\n`;
    if (!stack.flat().every(canBeSpelled)) continue;
    const base = scratch.directory(`${round}`);
    const whole = await applyPlain(stack, `${base}/newer`, created);
    if (whole === 'rejected') continue;
    const expected = applyModel(stack, created);
    const older = stack.slice(0, random.integer(stack.length));
    await applyPlain(older, `${base}/older`, created);
    const records = await recordsOf(
      compareDirectories({ older: `${base}/older`, newer: `${base}/newer` }),
      `${base}/layer`,
    );
    execFileSync('cp', ['-a', `${base}/older`, `${base}/made`]);
    await applyRecords(records, `${base}/made`, 'plain');
    const made = listDirectory(`${base}/made`, bytes => bytes.toString('latin1'));
    assert.ok(expected !== 'rejected');
    assert.deepEqual(made, expected.listing, `${where}${formatStack([records])}`);
    // Nothing is said twice: the same again is no change.
    const again = await recordsOf(
      compareDirectories({ older: `${base}/made`, newer: `${base}/newer` }),
      `${base}/again`,
    );
    assert.deepEqual(canonical(again), [], where);
  }
});
