/** Projected layers and their head, stacked by the kernel's OverlayFS, against what the layers merge to. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack } from '../model/record.ts';
import { createStack } from '../overlay/kernel-stack.ts';
import { listTree, mergeStack } from '../overlay/layers.ts';
import { requires } from '../requirement.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 60);
const child = join(import.meta.dirname, '../overlay/kernel-child.ts');
const skip = requires({ tools: ['unshare', 'mount', 'umount'], root: true, mounts: ['overlay'] });

for (const [flavour, xattrs, stacks] of [
  ['wild', 'trusted', count],
  ['wild', 'user', count],
  ['tame', 'trusted', count],
  ['tall', 'trusted', 1],
] as const) {
  test(`${flavour} stacks with ${xattrs}.overlay.* show what they merge to (SEED=${seed} COUNT=${stacks})`, {
    skip,
  }, () => {
    const listings = runPrivately(`${seed}`, `${stacks}`, xattrs, flavour);
    assert.equal(listings.length, stacks);
    for (const [index, listing] of listings.entries()) {
      const stack = createStack(flavour, createRandom(seed + index));
      const found = mergeStack(stack);
      const wanted = found === undefined ? 'rejected' : listTree(found.merged, found.contentOf);
      assert.deepEqual(listing, wanted, `SEED=${seed + index} COUNT=1\n${formatStack(stack)}\n`);
    }
    assert.ok(
      stacks < 20 || listings.filter(Array.isArray).length > stacks / 2,
      'too few stacks were accepted',
    );
  });
}

/** The mounts live and die with the child. */
function runPrivately(...words: string[]): unknown[] {
  const directory = mkdtempSync(join(tmpdir(), 'shale-overlay-'));
  try {
    const command = ['--mount', '--propagation', 'private', process.execPath, child, directory, ...words];
    const options = { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const;
    return JSON.parse(execFileSync('unshare', command, options));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
