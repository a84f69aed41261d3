/**
 * Run by itself, as root, in a mount namespace of its own (`unshare --mount`): applies each layer of each stack in a form of
 * OverlayFS, the kernel's or FUSE's, over the mounted layers below it, and prints as JSON what that then shows: of all as lower
 * directories, of the newest as an upper one, and of that one's diff applied onto a plain copy of what is below.
 *
 *     overlay-child.ts DIRECTORY KIND FORM SEED COUNT
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { ShaleError } from '../../../src/error/index.ts';
import { readUpper } from '../../../src/layer/index.ts';
import { listDirectory } from '../../model/disk.ts';
import type { Listing } from '../../model/listing.ts';
import type { LayerRecord } from '../../model/record.ts';
import { recordsOf } from '../diff/records.ts';
import { created } from './shown.ts';
import { applyRecords, canBeSpelled, createStack, type StackKind } from './stacks.ts';

export interface Shown {
  readonly lowers: Listing;
  readonly upper: Listing;
  readonly again: Listing;
}

const [base, kind, form, seed, count] = process.argv.slice(2) as [
  string,
  StackKind,
  'overlay' | 'overlay-user' | 'fuse-overlayfs',
  string,
  string,
];
const extra = form === 'overlay-user' ? ',userxattr' : '';
const run = (program: string, ...words: string[]) =>
  execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'] });
run('mount', '-t', 'tmpfs', '-o', 'mode=700', 'shale-test', base);

const shown: (Shown | 'rejected' | 'skipped')[] = [];
for (let round = 0; round < Number(count); round += 1) {
  const stack = createStack(kind, Number(seed) + round);
  shown.push(stack.flat().every(canBeSpelled) ? await show(`${base}/${round}`, stack) : 'skipped');
}
process.stdout.write(JSON.stringify(shown));

async function show(
  directory: string,
  stack: readonly (readonly LayerRecord[])[],
): Promise<Shown | 'rejected'> {
  for (const name of ['below', 'merged', 'empty']) mkdirSync(`${directory}/${name}`, { recursive: true });
  const layers: string[] = [];
  try {
    for (const [layer, records] of stack.entries()) {
      const path = `${directory}/${layer}`;
      mkdirSync(path);
      using below = mountLowers(layers, `${directory}/below`);
      await applyRecords(records, path, form, {
        below: below?.path === undefined ? 'nothing' : below,
        created,
        layer,
      });
      layers.unshift(path);
    }
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'invalid') return 'rejected';
    throw error;
  }
  const [newest, ...older] = layers as [string, ...string[]];
  mkdirSync(`${directory}/work`);
  using below = mountLowers(older, `${directory}/below`);
  const lower = below?.path ?? `${directory}/empty`;
  const lowers = list(mount(`lowerdir=${layers.join(':')}:${directory}/empty`, `${directory}/merged`));
  const records = await recordsOf(readUpper({ path: newest, form, lower }), `${directory}/layer`);
  run('cp', '-a', lower, `${directory}/copy`);
  await applyRecords(records, `${directory}/copy`, 'plain', { created });
  const again = listDirectory(`${directory}/copy`, bytes => bytes.toString('latin1'));
  const options = `lowerdir=${older.join(':') || `${directory}/empty`},upperdir=${newest},workdir=${directory}/work`;
  const upper = list(mount(options, `${directory}/merged`));
  return { lowers, upper, again };
}

function mountLowers(layers: readonly string[], at: string): (Disposable & { path: string }) | undefined {
  if (layers.length === 0) return undefined;
  if (layers.length === 1) return { path: layers[0]!, [Symbol.dispose]: () => {} };
  return mount(`lowerdir=${layers.join(':')}`, at);
}

function mount(options: string, at: string): Disposable & { path: string } {
  if (form === 'fuse-overlayfs') run('fuse-overlayfs', '-o', options, at);
  else run('mount', '-t', 'overlay', '-o', options + extra, 'shale-test', at);
  return { path: at, [Symbol.dispose]: () => run('umount', at) };
}

function list(mounted: Disposable & { path: string }): Listing {
  using at = mounted;
  return listDirectory(at.path, bytes => bytes.toString('latin1'));
}
