/** What OverlayFS shows of applied layers, as `overlay-child.ts` prints it, against the model of the merge. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { Listing } from '../../model/listing.ts';
import { applyModel } from '../../model/model.ts';
import { formatStack } from '../../model/record.ts';
import { requires } from '../../requirement.ts';
import type { Shown } from './overlay-child.ts';
import { createStack, type StackKind } from './stacks.ts';

/** The images' time. */
export const created = { seconds: 1_234_567, nanoseconds: 5 };

/** `output` is the child's, for `rounds` stacks of a kind, the first of which is made of `seed`. */
export function assertShown(
  output: string,
  { kind, seed, rounds }: { readonly kind: StackKind; readonly seed: number; readonly rounds: number },
): void {
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
}

/** A file of several layers has one inode only where one of them has all its names; tame layers link within themselves. FUSE has its own numbers. */
function mask(listing: Listing, kind: StackKind): Listing {
  return kind.startsWith('tame') && !kind.endsWith('fuse')
    ? listing
    : listing.map(line => line.replace(/ names .*/, ''));
}

export function findFuseObstacle(): string | false {
  return requires({ tools: ['fuse-overlayfs'] }) || (!existsSync('/dev/fuse') && 'no /dev/fuse');
}
