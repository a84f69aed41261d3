import { Warnings } from '../../error/index.ts';
import type { WhiteoutForm } from '../form.ts';
import { findChanges } from './changes.ts';
import type { ChangeEntry } from './entry.ts';
import { comparison, upperReading } from './reading.ts';

export interface ReadOptions {
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface UpperDirectory {
  readonly path: string;
  readonly form: Exclude<WhiteoutForm, 'plain'>;
  /** All that is below, merged, as one directory: then what was copied up and is as it was is left out. */
  readonly lower?: string | undefined;
}

/**
 * What an upper directory has changed, for `writeChangesLayer`. Each entry's content must be read, or passed over, before the next
 * entry is asked for. Without `lower` every mark and every entry counts. DiffError `unsupported` for what no layer can say: a
 * directory that OverlayFS has renamed (`redirect_dir`); HostErrors, `conflict` among them for what changes meanwhile.
 */
export function readUpper(
  { path, form, lower = 'unknown' }: UpperDirectory,
  options: ReadOptions = {},
): AsyncGenerator<ChangeEntry, void, undefined> {
  const { warnings = new Warnings(), signal } = options;
  const reading = upperReading(form);
  return findChanges({ newer: path, older: lower, reading, contents: 'read', warnings, signal });
}

export interface ComparedDirectories {
  /** `undefined`: all of the newer one is new. */
  readonly older?: string | undefined;
  readonly newer: string;
}

export interface CompareOptions extends ReadOptions {
  /** `by-time` takes a file of the same size and time, if that has a fraction of a second, for the same; `read` if absent. */
  readonly contents?: 'read' | 'by-time' | undefined;
}

/** What makes `newer` out of `older`, for `writeChangesLayer`, as `readUpper` has it. */
export function compareDirectories(
  { older, newer }: ComparedDirectories,
  options: CompareOptions = {},
): AsyncGenerator<ChangeEntry, void, undefined> {
  const { contents = 'read', warnings = new Warnings(), signal } = options;
  return findChanges({ newer, older, reading: comparison, contents, warnings, signal });
}
