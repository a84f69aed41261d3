/** Layers on disk against the model of the merge: any layers at all, one after the other onto one directory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Warnings } from '../../../src/error/index.ts';
import { Scratch } from '../../engine/scratch.ts';
import { judged } from '../../model/judged.ts';
import { applyModel } from '../../model/model.ts';
import { createRandom, readSeed } from '../../model/random.ts';
import { formatStack, type LayerRecord } from '../../model/record.ts';
import { createTameStack } from '../../model/tame.ts';
import { createWildStack } from '../../model/wild.ts';
import { requires } from '../../requirement.ts';
import { applyPlain, canBeSpelled, makeHoldable } from './stacks.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 150);
const skip = requires({ root: true, tools: ['getfattr'] });
const created = { seconds: 1_234_567, nanoseconds: 5 };

async function compare(stack: readonly (readonly LayerRecord[])[], path: string, where: string) {
  const holdable = stack.map(makeHoldable);
  if (!holdable.flat().every(canBeSpelled)) return;
  const expected = applyModel(holdable, created);
  const warnings = new Warnings();
  const listing = await applyPlain(holdable, path, created, warnings);
  const message = `${where}\n${formatStack(holdable)}\n`;
  assert.deepEqual(listing, expected === 'rejected' ? expected : expected.listing, message);
  if (expected === 'rejected') return;
  assert.deepEqual(Object.fromEntries([...warnings.counts].sort()), expected.warnings, message);
}

test(`wild stacks (SEED=${seed} COUNT=${rounds})`, { skip }, async () => {
  using scratch = new Scratch();
  for (let round = 0; round < rounds; round += 1) {
    const stack = createWildStack(createRandom(seed + round));
    await compare(stack, scratch.file(`${round}`), `SEED=${seed + round} COUNT=1`);
  }
});

test(`tame stacks (SEED=${seed} COUNT=${rounds})`, { skip }, async () => {
  using scratch = new Scratch();
  for (let round = 0; round < rounds / 3; round += 1) {
    const stack = createTameStack(createRandom(seed + round));
    await compare(stack, scratch.file(`${round}`), `SEED=${seed + round} COUNT=1`);
  }
});

test('cases that a person has judged', { skip }, async () => {
  using scratch = new Scratch();
  for (const [index, { title, stack }] of judged.entries()) {
    await compare(stack, scratch.file(`${index}`), title);
  }
});
