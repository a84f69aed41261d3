/** The whole pipeline on random images: the naive model's listing against what independent tools find in each artifact. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { isAvailable } from '../../src/bytes/codec/index.ts';
import { compressions, render, verify } from '../../src/engine/index.ts';
import { ShaleError } from '../../src/error/index.ts';
import {
  created,
  fillStack,
  forms,
  isSpellable,
  layoutOf,
  makeHoldable,
  writeLayers,
  writeLayout,
} from '../engine/image.ts';
import { Scratch } from '../engine/scratch.ts';
import { listDirectory } from '../model/disk.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, type Random, readSeed } from '../model/random.ts';
import { formatStack, type Stack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 8);

function createImage(random: Random, index: number): Stack {
  for (;;) {
    const stack = (index % 2 === 0 ? createWildStack : createTameStack)(random);
    if (isSpellable(stack)) return stack;
  }
}

function createOutputs(random: Random, scratch: Scratch) {
  const blockSize = random.pick([4096, 4096, 131072, 1048576]);
  const compression = random.pick(
    compressions.filter(name => name === 'none' || isAvailable(name).available),
  );
  const squashfs = { path: scratch.file('a.sqfs'), compression, blockSize, fragments: random.chance(0.7) };
  return { blockSize, outputs: [squashfs, { path: scratch.file('a.tar') }, { path: scratch.file('a/') }] };
}

test(`what three artifacts of one call hold is what the model says (SEED=${seed} COUNT=${count})`, {
  skip: requires({ tools: ['unsquashfs', 'tar', 'getfattr'], root: true }),
}, async () => {
  for (let index = 0; index < count; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + index);
    const stack = makeHoldable(createImage(random, index));
    const { blockSize, outputs } = createOutputs(random, scratch);
    const image = fillStack(stack, random, blockSize);
    const outcome = applyModel(image.stack, created);
    const files = layoutOf(writeLayers(image), () => random.pick(forms));
    const source = await writeLayout(scratch.directory('layout'), files);
    const what = `SEED=${seed + index} COUNT=1 ${JSON.stringify(outputs[0])}\n${formatStack(stack)}`;
    const rendering = render(source, outputs, { platform: 'linux/amd64', jobs: 1 + random.integer(3) });
    if (outcome === 'rejected') {
      await assert.rejects(rendering, (error: ShaleError) => error.code === 'invalid', what);
      continue;
    }
    const result = await rendering;
    execFileSync('unsquashfs', ['-q', '-n', '-d', scratch.file('squashfs'), scratch.file('a.sqfs')]);
    mkdirSync(scratch.file('tar'));
    const flags = ['-P', '-p', '--numeric-owner', '--xattrs', '--xattrs-include=*'];
    execFileSync('tar', ['-x', ...flags, '-f', scratch.file('a.tar'), '-C', scratch.file('tar')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    for (const name of ['squashfs', 'tar', 'a']) {
      assert.deepEqual(listDirectory(scratch.file(name)), outcome.listing, `${name}: ${what}`);
    }
    assert.deepEqual(
      Object.fromEntries(Object.entries(result.warnings.counts).sort()),
      outcome.warnings,
      what,
    );
  }
});

test(`verify finds no difference in what was rendered of wild metadata (SEED=${seed} COUNT=${count})`, async () => {
  for (let index = 0; index < count / 2; index++) {
    using scratch = new Scratch();
    const random = createRandom(seed + 1000 + index);
    const stack = createImage(random, index);
    const { blockSize, outputs } = createOutputs(random, scratch);
    const image = fillStack(stack, random, blockSize);
    const files = layoutOf(writeLayers(image), () => random.pick(forms));
    const source = await writeLayout(scratch.directory('layout'), files);
    const what = `SEED=${seed + index} COUNT=2 ${JSON.stringify(outputs[0])}\n${formatStack(stack)}`;
    try {
      await render(source, process.geteuid?.() === 0 ? outputs : outputs.slice(0, 2));
    } catch (error) {
      if (!(error instanceof ShaleError) || applyModel(image.stack, created) !== 'rejected') throw error;
      continue;
    }
    for (const { path } of process.geteuid?.() === 0 ? outputs : outputs.slice(0, 2)) {
      const { differences, format } = await verify(source, path, { jobs: 1 });
      assert.deepEqual(differences, [], `${format}: ${what}`);
    }
  }
});
