import { randomBytes } from 'node:crypto';
import { wrapErrno } from '../error/index.ts';
import type { Candidate, StoredKind } from './candidate.ts';
import type { Catalogue } from './catalogue.ts';
import { mark } from './mark.ts';
import { SealError } from './seal.ts';
import { sweep } from './sweep.ts';
import { createTrash, emptyTrash, type Trash } from './trash.ts';

export interface GcOptions {
  /** Decides, and removes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Interrupted pulls do not count: they start anew next time. */
  readonly all?: boolean | undefined;
  /** What was changed within so many milliseconds stays. */
  readonly olderThan?: number | undefined;
}

export interface GcItem {
  readonly kind: StoredKind;
  /** A digest; a path below the root; a lease's purpose. */
  readonly name: string;
  /** What it takes, or took, on the disk. */
  readonly bytes: number;
  readonly reason: string;
}

export interface GcReport {
  readonly removed: readonly GcItem[];
  readonly kept: readonly GcItem[];
  /** The sum of what was, or under `dryRun` would be, removed. */
  readonly freedBytes: number;
}

/**
 * Removes what no image and no lease needs. Deciding and taking away is one transaction: whoever takes a lease has it
 * either before, and what it protects stays, or after, and sees what is gone. Under a dry run the same decisions are made.
 * `only` narrows it down to what a caller has in mind; leases are then left alone.
 */
export function collect(
  catalogue: Catalogue,
  options: GcOptions = {},
  only: (candidate: Candidate) => boolean = () => true,
): GcReport {
  const { layout, database, reach } = catalogue;
  const { dryRun = false, all = false, olderThan = 0 } = options;
  const trash = createTrash(layout, randomBytes(8).toString('hex'));
  const [removed, kept]: [GcItem[], GcItem[]] = [[], []];
  try {
    database.write(() => {
      const now = Date.now();
      for (const candidate of sweep(catalogue, mark(catalogue, { all, now }), now)) {
        if (!only(candidate)) continue;
        const { kind, name, bytes } = candidate;
        const reason =
          candidate.kept ?? (olderThan > 0 && candidate.changed > now - olderThan ? tooYoung : undefined);
        if (reason !== undefined) kept.push({ kind, name, bytes, reason });
        else {
          const obstacle = dryRun ? undefined : remove(candidate, trash);
          if (obstacle === undefined) removed.push({ kind, name, bytes, reason: why(kind) });
          else kept.push({ kind, name, bytes, reason: obstacle });
        }
      }
      reach('gc-moved');
    });
    if (trash.orphans.length > 0) database.write(() => takeOrphans(catalogue, trash));
    reach('gc-committed');
  } catch (error) {
    throw wrapErrno(error, `cannot collect garbage in ${layout.root}`);
  } finally {
    // Even if the transaction failed, for want of room perhaps: what is in there was garbage by what had been committed.
    if (!dryRun) emptyTrash(layout);
  }
  return { removed, kept, freedBytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Why it stays, if it does. */
function remove(candidate: Candidate, trash: Trash): string | undefined {
  try {
    return candidate.remove(trash) ? undefined : 'it has just been taken';
  } catch (error) {
    if (error instanceof SealError) return error.message;
    throw error;
  }
}

/** Files of artifacts and trees whose rows are gone, unless one was made anew meanwhile. */
function takeOrphans({ database, layout }: Catalogue, trash: Trash): void {
  for (const file of trash.orphans) {
    const sql = 'SELECT key FROM artifact WHERE file = ? UNION ALL SELECT key FROM verity WHERE file = ?';
    const row = database.first(sql, file, file);
    if (row === undefined) trash.take(layout.artifact(file));
  }
}

const tooYoung = 'it is younger than what was asked for';

function why(kind: StoredKind): string {
  if (kind === 'lease') return 'it was interrupted, and is not waited for any longer';
  if (kind === 'initramfs') return 'nobody has used it for a day';
  if (kind === 'temporary') return 'a process left it behind';
  return 'nothing refers to it';
}
