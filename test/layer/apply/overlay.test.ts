/** Layers applied one by one for the kernel's OverlayFS, against the model of the merge: what it shows must be that. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Scratch } from '../../engine/scratch.ts';
import type { Listing } from '../../model/listing.ts';
import { applyModel } from '../../model/model.ts';
import { readSeed } from '../../model/random.ts';
import { formatStack } from '../../model/record.ts';
import { requires } from '../../requirement.ts';
import type { Shown } from './overlay-child.ts';
import { createStack } from './stacks.ts';

const seed = readSeed();
const rounds = Number(process.env.COUNT ?? 12);
const skip = requires({ root: true, tools: ['getfattr', 'cp', 'unshare'], mounts: ['overlay', 'tmpfs'] });
const created = { seconds: 1_234_567, nanoseconds: 5 };
const kinds = {
  overlay: ['tame', 'wild'],
  'overlay-user': ['tame', 'wild'],
  'fuse-overlayfs': ['tame-fuse'],
} as const;
const child = join(import.meta.dirname, 'overlay-child.ts');

describe(`what the kernel shows of applied layers (SEED=${seed} COUNT=${rounds})`, { skip }, () => {
  for (const form of ['overlay', 'overlay-user', 'fuse-overlayfs'] as const) {
    for (const kind of kinds[form]) {
      test(`${form}, ${kind} stacks`, { skip: form === 'fuse-overlayfs' && findFuseObstacle() }, () => {
        using scratch = new Scratch();
        const words = [process.execPath, child, scratch.path, kind, form, `${seed}`, `${rounds}`];
        const output = execFileSync('unshare', ['--mount', '--propagation', 'private', ...words], {
          encoding: 'utf8',
          maxBuffer: 2 ** 30,
        });
        const shown = JSON.parse(output) as (Shown | 'rejected' | 'skipped')[];
        assert.equal(shown.length, rounds);
        for (const [round, seen] of shown.entries()) {
          if (seen === 'skipped') continue;
          const stack = createStack(kind, seed + round);
          const expected = applyModel(stack, created);
          const where = `SEED=${seed + round} COUNT=1\n${formatStack(stack)}\n`;
          if (seen === 'rejected' || expected === 'rejected') {
            assert.equal(seen, expected, where);
            continue;
          }
          for (const view of ['lowers', 'upper', 'again'] as const)
            assert.deepEqual(mask(seen[view], kind), mask(expected.listing, kind), `${view} ${where}`);
        }
      });
    }
  }
});

/** A file of several layers has one inode only where one of them has all its names; tame layers link within themselves. FUSE has its own numbers. */
function mask(listing: Listing, kind: string): Listing {
  return kind.startsWith('tame') && !kind.endsWith('fuse')
    ? listing
    : listing.map(line => line.replace(/ names .*/, ''));
}

function findFuseObstacle(): string | false {
  return requires({ tools: ['fuse-overlayfs'] }) || (!existsSync('/dev/fuse') && 'no /dev/fuse');
}
