/** Layers and head, stacked by a naive model of OverlayFS, against what the layers merge to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Content } from '../../src/merge/index.ts';
import { type OverlayPlan, overlayPlan, type Stacked, stackTrees } from '../../src/overlay/index.ts';
import type { DirectoryInode } from '../../src/tree/index.ts';
import { judged } from '../model/judged.ts';
import { formatListing, type ListedInode, type Listing } from '../model/listing.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { formatStack, type Stack } from '../model/record.ts';
import { shrink } from '../model/shrink.ts';
import { createTameStack } from '../model/tame.ts';
import { createWildStack } from '../model/wild.ts';
import { listTree, type MergedStack, mergeStack, rootOf } from '../overlay/layers.ts';
import { showOverlay } from '../overlay/naive.ts';

const seed = readSeed();
const count = Number(process.env.COUNT ?? 2000);

for (const { title, stack } of judged) {
  test(`judged: ${title}`, () => {
    const problem = findProblem(stack);
    assert.equal(problem, undefined, problem);
  });
}

for (const [flavour, create] of [
  ['wild', createWildStack],
  ['tame', createTameStack],
] as const) {
  test(`${flavour} stacks show what they merge to (SEED=${seed} COUNT=${count})`, () => {
    for (let index = 0; index < count; index += 1) {
      const stack = create(createRandom(seed + index));
      if (findProblem(stack) === undefined) continue;
      const least = shrink(stack, smaller => findProblem(smaller) !== undefined);
      assert.fail(`SEED=${seed + index} COUNT=1: ${findProblem(least)}\n${formatStack(least)}\n`);
    }
  });

  test(`${flavour} stacks: the kernel's rules are simulated right (SEED=${seed} COUNT=${count})`, () => {
    for (let index = 0; index < count; index += 1) {
      const found = mergeStack(create(createRandom(seed + index)));
      if (found === undefined) continue;
      const plan = overlayPlan(found.layers, found.merged, { xattrs: 'trusted' });
      // Without the head: what is wrong with the layers is shown alike.
      const stacked = stackTrees(plan.layers);
      if (stacked === undefined) continue;
      const roots = plan.layers.map(rootOf).reverse();
      assert.deepEqual(
        formatListing(walkStacked(stacked, found.contentOf)),
        formatListing(showOverlay(roots, found.contentOf)),
        `SEED=${seed + index} COUNT=1`,
      );
    }
  });

  test(`${flavour} stacks: nothing in the head is in vain (SEED=${seed} COUNT=${count})`, () => {
    for (let index = 0; index < count / 10; index += 1) {
      const stack = create(createRandom(seed + index));
      const found = mergeStack(stack);
      if (found === undefined) continue;
      const plan = overlayPlan(found.layers, found.merged, { xattrs: 'trusted' });
      const wanted = listTree(found.merged, found.contentOf);
      for (const [path, head] of withoutOne(rootOf(plan.head))) {
        const shown = show(plan, found, head);
        assert.notDeepEqual(shown, wanted, `${path}: SEED=${seed + index} COUNT=1\n${formatStack(stack)}\n`);
      }
    }
  });
}

test(`a layer that comes again is stacked once (SEED=${seed} COUNT=${count})`, () => {
  let accepted = 0;
  for (let index = 0; index < count; index += 1) {
    const random = createRandom(seed + index);
    const once = createWildStack(random);
    const picks = Array.from({ length: 1 + random.integer(8) }, () => random.integer(once.length));
    const stack = picks.map(pick => once[pick]!);
    const found = mergeStack(stack);
    if (found === undefined) continue;
    accepted += 1;
    const plan = overlayPlan(found.layers, found.merged, { xattrs: 'trusted', names: picks.map(String) });
    const stacked = plan.stacked.map(layer => picks[layer]);
    assert.equal(new Set(stacked).size, stacked.length);
    assert.deepEqual(
      show(plan, found, rootOf(plan.head)),
      listTree(found.merged, found.contentOf),
      `SEED=${seed + index} COUNT=1\n${formatStack(stack)}\n`,
    );
    // And the stack is none the worse for it.
    const all = overlayPlan(found.layers, found.merged, { xattrs: 'trusted' });
    assert.deepEqual(
      listTree(plan.head, found.contentOf),
      listTree(all.head, found.contentOf),
      `SEED=${seed + index} COUNT=1\n${formatStack(stack)}\n`,
    );
  }
  assert.ok(count < 100 || accepted > count / 10, `only ${accepted} stacks were accepted`);
});

/** What is wrong with the stack of a stack's layers; `undefined` if nothing is, or it is rejected. */
function findProblem(stack: Stack): string | undefined {
  const found = mergeStack(stack);
  if (found === undefined) return undefined;
  const wanted = listTree(found.merged, found.contentOf);
  for (const lowers of [500, 3, 1]) {
    const plan = overlayPlan(found.layers, found.merged, { xattrs: 'trusted', lowers });
    if (plan.stacked.length >= lowers) return `${plan.stacked.length} layers and a head`;
    const shown = show(plan, found, rootOf(plan.head));
    if (JSON.stringify(shown) === JSON.stringify(wanted)) continue;
    const missing = wanted.filter(line => !shown.includes(line));
    const surplus = shown.filter(line => !wanted.includes(line));
    return [
      `${lowers} lowers`,
      ...surplus.map(line => `  is     ${line}`),
      ...missing.map(line => `  should ${line}`),
    ].join('\n');
  }
  return undefined;
}

function show(plan: OverlayPlan, { contentOf }: MergedStack, head: DirectoryInode<Content>): Listing {
  const roots = plan.stacked.map(layer => rootOf(plan.layers[layer]!));
  return formatListing(showOverlay([head, ...roots.reverse()], contentOf));
}

/** Copies of a small tree, each without one of the names that hold nothing, or with one directory no longer opaque. */
function* withoutOne(
  root: DirectoryInode<Content>,
): Generator<[path: string, root: DirectoryInode<Content>]> {
  for (const [name, inode] of root.children) {
    const rest = new Map(root.children);
    rest.delete(name);
    if (inode.type !== 'directory') {
      yield [name, { ...root, children: rest }];
      continue;
    }
    if (inode.children.size === 0) yield [`${name}/`, { ...root, children: rest }];
    if (inode.xattrs.has('trusted.overlay.opaque')) {
      const xattrs = new Map(inode.xattrs);
      xattrs.delete('trusted.overlay.opaque');
      yield [`${name} opaque`, { ...root, children: new Map(rest).set(name, { ...inode, xattrs }) }];
    }
    for (const [path, less] of withoutOne(inode)) {
      yield [`${name}/${path}`, { ...root, children: new Map(rest).set(name, less) }];
    }
  }
}

function* walkStacked(
  root: Stacked<Content>,
  contentOf: (content: Content) => string,
): Generator<[string, ListedInode, unknown]> {
  const pending: [string, Stacked<Content>][] = [['', root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [path, { node, xattrs, children }] = next;
    const { inode } = node;
    const content = inode.type === 'file' && inode.size > 0 ? contentOf(inode.content) : '';
    yield [path, { ...inode, xattrs, content }, node];
    for (const [name, child] of children ?? []) pending.push([path === '' ? name : `${path}/${name}`, child]);
  }
}
