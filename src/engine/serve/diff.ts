import { join } from 'node:path';
import { ShaleError, type Warnings } from '../../error/index.ts';
import { createTemporaryDirectory } from '../../host/index.ts';
import {
  type ChangeEntry,
  type ChangesLayer,
  compareDirectories,
  readUpper,
  writeChangesLayer,
} from '../../layer/diff/index.ts';
import { type Mount, openMounts, type Snapshots } from '../../snapshot/index.ts';
import { compactOverlay } from '../../snapshot/overlay-options.ts';
import type { Timestamp } from '../../tree/index.ts';
import type { Served } from './open.ts';

export interface DiffForeignOptions {
  /** Of the layer; a gzip if absent. */
  readonly mediaType?: string | undefined;
  /** No time in the layer is later. */
  readonly latest?: Timestamp | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a layer of what the newer mounts have changed against the older ones, and calls `use` with it; its file is gone afterwards. What a snapshot of
 * ours has changed against its parent the driver knows; otherwise both sides are mounted, for this process alone, and compared.
 */
export async function diffForeign<Result>(
  served: Served,
  older: readonly Mount[],
  newer: readonly Mount[],
  options: DiffForeignOptions,
  use: (layer: ChangesLayer) => Promise<Result>,
): Promise<Result> {
  const { mediaType, latest, warnings, signal } = options;
  using scratch = createTemporaryDirectory(join(served.directory, 'diff'));
  await using changes = await openForeignChanges(served, older, newer, { warnings, signal });
  const entries = latest === undefined ? changes.read() : capTimes(changes.read(), latest);
  const layer = await writeChangesLayer(entries, join(scratch.path, 'layer'), {
    mediaType,
    warnings,
    signal,
  });
  return await use(layer);
}

interface ForeignChanges extends AsyncDisposable {
  read(): AsyncIterable<ChangeEntry>;
}

async function openForeignChanges(
  { snapshots, directory }: Served,
  older: readonly Mount[],
  newer: readonly Mount[],
  options: Pick<DiffForeignOptions, 'warnings' | 'signal'>,
): Promise<ForeignChanges> {
  const key = await findChanged(snapshots, older, newer);
  if (key !== undefined) {
    const source = await snapshots.openChanges(key);
    return {
      read: () =>
        source.kind === 'upper' ? readUpper(source, options) : compareDirectories(source, options),
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  }
  await using mounted = new AsyncDisposableStack();
  const open = async (mounts: readonly Mount[]) =>
    mounts.length === 0 ? undefined : mounted.use(await openMounts(mounts, directory)).path;
  const [olderPath, newerPath] = [await open(older), await open(newer)];
  if (newerPath === undefined) throw new ShaleError('invalid', 'nothing is mounted that could have changed');
  const held = mounted.move();
  return {
    read: () => compareDirectories({ older: olderPath, newer: newerPath }, options),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** The snapshot whose changes against its parent these are: the newer mounts are its own, or a view of it, and the older ones show its parent. */
async function findChanged(
  snapshots: Snapshots,
  older: readonly Mount[],
  newer: readonly Mount[],
): Promise<string | undefined> {
  const shown = snapshots.identify(newer);
  if (shown === undefined) return undefined;
  const info = await snapshots.stat(shown);
  const changed = info.kind === 'view' ? info.parent : shown;
  if (changed === undefined) return undefined;
  const { parent } = await snapshots.stat(changed);
  const below = snapshots.identify(older);
  if (below !== undefined) {
    // A view of one layer may show that layer's own place.
    const { kind, parent: base } = await snapshots.stat(below);
    return (kind === 'view' ? base : below) === parent ? changed : undefined;
  }
  // A view of many layers is an overlay that names no place of its own, but the same layers below.
  return info.kind === 'active' && haveSameLowers(older, newer) ? changed : undefined;
}

function haveSameLowers(older: readonly Mount[], newer: readonly Mount[]): boolean {
  const [one, other] = [findLowers(older), findLowers(newer)];
  return one.length > 0 && one.length === other.length && one.every((lower, at) => lower === other[at]);
}

function findLowers(mounts: readonly Mount[]): readonly string[] {
  const [mount] = mounts;
  return mounts.length === 1 && mount?.type === 'overlay' ? compactOverlay(mount.options).lowers : [];
}

async function* capTimes(
  changes: AsyncIterable<ChangeEntry>,
  latest: Timestamp,
): AsyncGenerator<ChangeEntry, void, undefined> {
  for await (const entry of changes) yield isLater(entry.mtime, latest) ? { ...entry, mtime: latest } : entry;
}

function isLater(one: Timestamp, other: Timestamp): boolean {
  return (
    one.seconds > other.seconds || (one.seconds === other.seconds && one.nanoseconds > other.nanoseconds)
  );
}
