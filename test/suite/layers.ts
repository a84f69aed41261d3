import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inUserNamespace, unmount } from '../../src/host/index.ts';
import { compareDirectories, readUpper } from '../../src/layer/index.ts';
import { mountAll, type Snapshots } from '../../src/snapshot/index.ts';
import { archiveOf, makeHoldable, piecesOf } from '../layer/apply/stacks.ts';
import { recordsOf } from '../layer/diff/records.ts';
import { listDirectory } from '../model/disk.ts';
import type { Listing } from '../model/listing.ts';
import { applyModel } from '../model/model.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { createRecord, formatStack, type LayerRecord, type Stack } from '../model/record.ts';
import { createTameStack } from '../model/tame.ts';
import type { Candidate, Root } from './snapshotter.ts';

/** A driver whose snapshots take layers. */
export interface LayerCandidate extends Omit<Candidate, 'open'> {
  open(root: string): Promise<Snapshots>;
  /** Generated stacks; 12 if absent. */
  readonly rounds?: number;
  /** What the driver's filesystem cannot keep is left out of a listing's lines. */
  normalise?(line: string): string;
  /** Makes a record one that the driver's filesystem can deal with. */
  adapt?(record: LayerRecord): LayerRecord;
}

const created = { seconds: 0, nanoseconds: 0 };

/**
 * What every driver must do with layers: generated stacks, applied layer by layer, are what the naive model says they merge to, as the kernel shows it;
 * and what the driver says a layer has changed makes, applied to the parent, the same again: diff(apply(layer)) = layer.
 */
export function layerSuite(name: string, candidate: LayerCandidate): void {
  const {
    skip = false,
    rounds = Number(process.env.COUNT ?? 12),
    normalise = (line: string) => line,
    adapt = (record: LayerRecord) => record,
  } = candidate;
  const seed = readSeed();

  test(`${name}: layers applied are what the model merges, and their diffs are they (SEED=${seed} COUNT=${rounds})`, {
    skip,
  }, async () => {
    await using bench = await LayerBench.create(candidate);
    for (let round = 0; round < rounds; round += 1) {
      const stack = createTameStack(createRandom(seed + round)).map(records => hold(records).map(adapt));
      const where = `SEED=${seed + round} COUNT=1\n${formatStack(stack)}\n`;
      const expected = merged(stack).map(normalise);
      const names = await bench.apply(stack, `round-${round}`);
      assert.deepEqual((await bench.list(names.at(-1)!)).map(normalise), expected, where);
      // Each layer's changes, on the layers below it, once more.
      for (const [index, key] of names.entries()) {
        const again = await bench.diff(key);
        const whole = merged([...stack.slice(0, index), again]).map(normalise);
        assert.deepEqual(whole, merged(stack.slice(0, index + 1)).map(normalise), `layer ${index} ${where}`);
      }
    }
  });

  for (const alone of candidate.canRebase ? [false, true] : [false]) {
    test(`${name}: whiteouts of nothing, and an opaque root${alone ? ', each layer alone' : ''}`, {
      skip,
    }, async () => {
      await using bench = await LayerBench.create(candidate);
      const names = await bench.apply(corners, 'corner', { alone });
      for (const [index, key] of names.entries()) {
        const shown = (await bench.list(key)).map(withoutRoot);
        assert.deepEqual(shown, merged(corners.slice(0, index + 1)).map(withoutRoot), `layer ${index}`);
      }
    });
  }

  // A driver that copies parents cannot apply a layer before them.
  if (!candidate.canRebase) return;
  test(`${name}: layers applied each alone, and put onto one another, keep what they delete (SEED=${seed})`, {
    skip,
  }, async () => {
    await using bench = await LayerBench.create(candidate);
    for (let round = 0; round < rounds; round += 1) {
      const stack = createTameStack(createRandom(seed + round)).map(records => hold(records).map(adapt));
      const names = await bench.apply(stack, `round-${round}`, { alone: true });
      const where = `SEED=${seed + round} COUNT=1\n${formatStack(stack)}\n`;
      assert.deepEqual((await bench.list(names.at(-1)!)).map(normalise), merged(stack).map(normalise), where);
    }
  });
}

/** What an ordinary user's namespace cannot hold, stacks for it do not have: devices, attributes of root, ids beyond the subordinate ones. */
function hold(records: readonly LayerRecord[]): LayerRecord[] {
  const held = makeHoldable(records);
  if (!inUserNamespace()) return held;
  return held.map(record => ({
    ...record,
    ...(record.type === 'character' && { type: 'fifo' as const, major: 0, minor: 0 }),
    uid: record.uid % 60_000,
    gid: record.gid % 60_000,
    xattrs: new Map([...record.xattrs].filter(([name]) => !name.startsWith('trusted.'))),
  }));
}

/** Layers that delete where nothing is, and one that hides all below it. */
const corners: Stack = [
  [
    createRecord({ type: 'directory', path: 'dir', mode: 0o755 }),
    createRecord({ type: 'file', path: 'dir/.wh.gone' }),
    createRecord({ type: 'file', path: '.wh.gone' }),
    createRecord({ type: 'file', path: 'file', content: 'first', size: 5, mode: 0o644 }),
  ],
  [
    createRecord({ type: 'directory', path: './', mode: 0o755 }),
    createRecord({ type: 'file', path: '.wh..wh..opq' }),
    createRecord({ type: 'file', path: 'alone', content: 'second', size: 6, mode: 0o644 }),
  ],
  [createRecord({ type: 'file', path: 'new', content: 'third', size: 5, mode: 0o644 })],
];

function merged(stack: Stack): Listing {
  const outcome = applyModel(stack, created);
  assert.ok(outcome !== 'rejected');
  return outcome.listing;
}

class LayerBench implements AsyncDisposable {
  readonly #snapshots: Snapshots;
  readonly #root: Root;
  readonly #scratch = mkdtempSync(join(tmpdir(), 'shale-layers-'));
  #count = 0;

  private constructor(snapshots: Snapshots, root: Root) {
    this.#snapshots = snapshots;
    this.#root = root;
  }

  static async create(candidate: LayerCandidate): Promise<LayerBench> {
    const path = () => mkdtempSync(join(tmpdir(), 'shale-layers-'));
    const root = candidate.createRoot?.() ?? removable(path());
    return new LayerBench(await candidate.open(join(root.path, 's')), root);
  }

  /** Commits each layer; the names of the snapshots, oldest first. */
  async apply(stack: Stack, prefix: string, { alone = false } = {}): Promise<string[]> {
    const names = stack.map((_, index) => `${prefix}-${index}`);
    const active = names.map(name => `${name}-active`);
    for (const [index, records] of stack.entries()) {
      await this.#snapshots.prepare(active[index]!, alone ? undefined : names[index - 1]);
      await this.#snapshots.apply(active[index]!, piecesOf(archiveOf(records)), { created });
      if (!alone) await this.#snapshots.commit(names[index]!, active[index]!);
    }
    if (alone) {
      for (const [index, name] of names.entries()) {
        await this.#snapshots.commit(name, active[index]!, { parent: names[index - 1] });
      }
    }
    return names;
  }

  async list(name: string): Promise<Listing> {
    const key = `view-of-${name}`;
    const place = mkdtempSync(join(this.#scratch, 'm-'));
    await mountAll(await this.#snapshots.view(key, name), place);
    try {
      return listDirectory(place, bytes => bytes.toString('latin1'));
    } finally {
      unmount(place);
      rmdirSync(place);
      await this.#snapshots.remove(key);
    }
  }

  /** What the driver says that a snapshot has changed, as a layer's records. */
  async diff(key: string): Promise<LayerRecord[]> {
    await using changes = await this.#snapshots.openChanges(key);
    const entries =
      changes.kind === 'upper'
        ? readUpper(changes)
        : compareDirectories({ older: changes.older, newer: changes.newer });
    this.#count += 1;
    return await recordsOf(entries, join(this.#scratch, `layer-${this.#count}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const keys: string[] = [];
    for await (const { key } of this.#snapshots.walk()) keys.push(key);
    for (const key of keys.reverse()) await this.#snapshots.remove(key);
    await this.#snapshots.close();
    rmSync(this.#scratch, { recursive: true });
    this.#root[Symbol.dispose]();
  }
}

function removable(path: string): Root {
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A root that no layer describes has no time that anybody has promised. */
function withoutRoot(line: string): string {
  return line.startsWith('/ ') ? '/' : line;
}
