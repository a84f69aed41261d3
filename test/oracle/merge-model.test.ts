/** The merge engine against the naive model, on a table of judged cases and on random stacks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEngine } from '../model/engine.ts';
import { judged } from '../model/judged.ts';
import type { Outcome } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack, type Stack } from '../model/record.ts';
import { shrink } from '../model/shrink.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 4000);
const created = { seconds: 1_234_567, nanoseconds: 89 };

for (const { title, stack, paths, warnings } of judged) {
  for (const [judge, apply] of [
    ['the model', applyModel],
    ['the engine', applyEngine],
  ] as const) {
    test(`${judge}: ${title}`, () => {
      const outcome = apply(stack, created);
      assert.deepEqual(outcome === 'rejected' ? outcome : outcome.listing.slice(1).map(summarise), paths);
      if (outcome !== 'rejected') assert.deepEqual(outcome.warnings, warnings ?? {});
    });
  }
}

for (const [flavour, create] of [
  ['wild', createWildStack],
  ['tame', createTameStack],
] as const) {
  const stacks = flavour === 'wild' ? count : count / 10;
  test(`${flavour} stacks: the engine does what the model does (SEED=${seed} COUNT=${count})`, () => {
    let accepted = 0;
    for (let index = 0; index < stacks; index++) {
      const stack = create(createRandom(seed + index));
      const outcome = applyModel(stack, created);
      if (outcome !== 'rejected') accepted += 1;
      if (areSame(outcome, run(stack))) continue;
      const least = shrink(stack, smaller => !areSame(applyModel(smaller, created), run(smaller)));
      assert.deepEqual(
        run(least),
        applyModel(least, created),
        `SEED=${seed + index}\n${formatStack(least)}\n`,
      );
    }
    // A single stack, run again by its seed, proves nothing about the others.
    assert.ok(
      stacks < 100 || accepted >= stacks / 2,
      `only ${accepted} of ${stacks} stacks were accepted: too weak a test`,
    );
  });
}

/** A crash counts as a difference, and is then seen as what it is. */
function run(stack: Stack): Outcome | { crashed: unknown } {
  try {
    return applyEngine(stack, created);
  } catch (crashed) {
    return { crashed };
  }
}

function areSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Of a listing's line: the path, the mode of a directory, where a file came from, a link's target, the names. */
function summarise(line: string): string {
  const [path, type, mode] = line.split(' ');
  const facts = /(?: -> "[^"]*"| content \S+)?(?: names .*)?$/.exec(line)![0];
  return `${path} ${type === 'directory' ? mode : type}${facts.replace(' content', '')}`;
}
