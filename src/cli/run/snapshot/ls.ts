import { listSnapshots, type SnapshotSummary } from '../../../engine/snapshot/manage.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { formatAge } from '../../quantity.ts';

export async function run({ values }: Invocation): Promise<number> {
  const { root, driver } = values;
  const snapshots = await listSnapshots({ root, driver });
  if (values.json) printJson({ snapshots });
  else if (values.quiet) print(snapshots.map(({ key }) => `${safe(key)}\n`).join(''));
  else print(`${formatSnapshots(snapshots, { now: Date.now() }).join('\n')}\n`);
  return 0;
}

/** The table of snapshots; `now` in milliseconds. */
export function formatSnapshots(
  snapshots: readonly SnapshotSummary[],
  { now }: { readonly now: number },
): string[] {
  const rows = snapshots.map(({ key, kind, driver, parent, created }) => [
    ...[safe(key), kind, driver, safe(parent ?? '-')],
    formatAge(created, now),
  ]);
  return formatColumns([['NAME', 'KIND', 'DRIVER', 'PARENT', 'CREATED'], ...rows]);
}
