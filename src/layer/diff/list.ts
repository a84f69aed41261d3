import type { ByteString, InodeType } from '../../tree/index.ts';
import { ChangeChecker, defaultChangeLimits } from './check.ts';
import type { ChangeEntry } from './entry.ts';
import { readOverlay } from './overlay.ts';

/** One change, for whoever shows it. */
export interface ListedChange {
  readonly kind: 'added' | 'changed' | 'deleted';
  readonly path: ByteString;
  /** `undefined` of what was deleted. */
  readonly type: InodeType | undefined;
  /** Of a directory: nothing that was in it before is there. */
  readonly opaque: boolean;
}

/** The same changes in short: directories that are only on the way are left out, and so is a root that did not change. */
export async function* listChanges(
  changes: AsyncIterable<ChangeEntry>,
): AsyncGenerator<ListedChange, void, undefined> {
  const checker = new ChangeChecker(defaultChangeLimits);
  for await (const entry of changes) {
    const { path, status = 'changed' } = entry;
    const type = checker.check(entry);
    const change = readOverlay(entry, type);
    if (change.kind === 'whiteout') yield { kind: 'deleted', path, type: undefined, opaque: false };
    else if (status === 'added' || status === 'changed' || change.opaque)
      yield { kind: status === 'added' ? status : 'changed', path, type, opaque: change.opaque };
  }
}
