import { statSync } from 'node:fs';
import { ShaleError, Warnings } from '../../error/index.ts';
import { findDataRoot } from '../../host/index.ts';
import {
  type ChangeEntry,
  type ChangesLayer,
  type Compression,
  compareDirectories,
  type ListedChange,
  listChanges,
  readUpper,
  writeChangesLayer,
} from '../../layer/diff/index.ts';
import type { WhiteoutForm } from '../../layer/form.ts';
import { type CacheOptions, summarise, type WarningSummary } from '../options.ts';
import { openSnapshotChanges } from './changes.ts';
import { requireSubject } from './subject.ts';

export interface DiffRequest extends CacheOptions {
  /** The one directory that is given is an upper directory of this form. */
  readonly form?: Exclude<WhiteoutForm, 'plain'> | undefined;
  /** Writes the changes into this new file, as a layer. */
  readonly out?: string | undefined;
  readonly compression?: Compression | undefined;
  readonly strict?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each change, in the order of the tree; not with `out`. */
  readonly onChange?: ((change: ListedChange) => void) | undefined;
}

export interface DiffResult {
  readonly changes: number;
  readonly layer?: Pick<ChangesLayer, 'path' | 'mediaType' | 'digest' | 'size' | 'diffId' | 'entries'>;
  readonly warnings: WarningSummary;
}

/**
 * What has changed: of a snapshot (named by its key or where it is mounted) against its parent; of a second directory against the first; or in an
 * upper directory of the form that is given.
 */
export async function diff(
  [first, second]: readonly [string, (string | undefined)?],
  request: DiffRequest = {},
): Promise<DiffResult> {
  const { strict = false, out, compression, signal, onChange } = request;
  const warnings = new Warnings({ strict });
  await using stack = new AsyncDisposableStack();
  const changes = await openDiff([first, second], { ...request, warnings, stack });
  if (out !== undefined) {
    const written = await writeChangesLayer(changes, out, { compression, warnings, signal });
    const { path, mediaType, digest, size, diffId, entries, whiteouts, opaque } = written;
    const layer = { path, mediaType, digest, size, diffId, entries };
    return { changes: entries + whiteouts + opaque, layer, warnings: summarise(warnings) };
  }
  let count = 0;
  for await (const change of listChanges(changes)) {
    count += 1;
    onChange?.(change);
  }
  return { changes: count, warnings: summarise(warnings) };
}

interface DiffContext extends DiffRequest {
  readonly warnings: Warnings;
  readonly stack: AsyncDisposableStack;
}

async function openDiff(
  [first, second]: readonly [string, (string | undefined)?],
  { root = findDataRoot(), form, warnings, signal, stack }: DiffContext,
): Promise<AsyncIterable<ChangeEntry>> {
  if (second !== undefined) {
    if (form !== undefined) {
      throw new ShaleError('invalid', 'two directories are compared as they are: a form is for one', {
        hint: 'leave out --form, or the second directory',
      });
    }
    return compareDirectories(
      { older: requireDirectory(first), newer: requireDirectory(second) },
      { warnings, signal },
    );
  }
  if (form !== undefined) return readUpper({ path: requireDirectory(first), form }, { warnings, signal });
  const subject = stack.use(await requireSubject(root, first));
  const changes = await openSnapshotChanges(subject.snapshots, subject.key, { root, warnings, signal });
  return stack.use(changes).read();
}

function requireDirectory(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return path;
  if (stat === undefined) {
    throw new ShaleError('not-found', `there is no directory ${path}`, { detail: { path } });
  }
  throw new ShaleError('invalid', `${path} is no directory`, { detail: { path } });
}
