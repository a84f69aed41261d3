import { ShaleError, type Warnings } from '../../error/index.ts';
import { type ChangeEntry, compareDirectories, listChanges, readUpper } from '../../layer/diff/index.ts';
import { driverRoot, openMounts, type Snapshots } from '../../snapshot/index.ts';
import { labels } from './label.ts';
import { parseUpperLabel } from './upper.ts';
import { findUpper } from './upper-mount.ts';

/** What a snapshot has changed, entry by entry. Disposing it unmounts what had to be mounted to see it. */
export interface OpenChanges extends AsyncDisposable {
  read(): AsyncIterable<ChangeEntry>;
}

interface OpenOptions {
  readonly root: string;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Opens the changes of a snapshot, wherever it is written to. ShaleError `not-found` where that is gone, as a tmpfs is after a reboot. */
export async function openSnapshotChanges(
  snapshots: Snapshots,
  key: string,
  { root, warnings, signal }: OpenOptions,
): Promise<OpenChanges> {
  const { kind, labels: all } = await snapshots.stat(key);
  const elsewhere = all[labels.upper];
  if (elsewhere !== undefined)
    return await openElsewhere(snapshots, key, { root, upper: elsewhere, warnings, signal });
  // Nothing can be written to a view.
  if (kind === 'view') return { async *read() {}, async [Symbol.asyncDispose]() {} };
  const source = await snapshots.openChanges(key);
  return {
    read: () =>
      source.kind === 'upper'
        ? readUpper(source, { warnings, signal })
        : compareDirectories({ older: source.older, newer: source.newer }, { warnings, signal }),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

async function openElsewhere(
  snapshots: Snapshots,
  key: string,
  { root, upper, warnings, signal }: OpenOptions & { readonly upper: string },
): Promise<OpenChanges> {
  const place = findUpper(root, key, parseUpperLabel(upper));
  if (place === undefined) {
    throw new ShaleError(
      'not-found',
      `what was written to ${key} is gone: it was in memory, or on a disk that is not mounted`,
      {
        detail: { snapshot: key, upper },
        hint: `shale umount ${key} clears up the rest`,
      },
    );
  }
  const lower = await openMounts(await snapshots.mounts(key), driverRoot(root, snapshots.driver.name));
  return {
    read: () => readUpper({ path: place.upper, form: 'overlay', lower: lower.path }, { warnings, signal }),
    async [Symbol.asyncDispose]() {
      lower[Symbol.dispose]();
    },
  };
}

/** Whether there is anything in it; reads no further than to the first change. */
export async function hasChanges(changes: OpenChanges): Promise<boolean> {
  for await (const _ of listChanges(changes.read())) return true;
  return false;
}
