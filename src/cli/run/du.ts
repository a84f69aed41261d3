import { type DiskUsageReport, diskUsage } from '../../engine/cache/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe } from '../output.ts';
import { formatBytes, formatCount } from '../quantity.ts';
import { familiar } from '../reference.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const report = await diskUsage({ root: values.root, signal });
  if (values.json) printJson(report);
  else print(`${formatUsage(report).join('\n')}\n`);
  return 0;
}

/** The table of kinds, with a total, and that of the images. */
export function formatUsage({ rows, images }: Pick<DiskUsageReport, 'rows' | 'images'>): string[] {
  const total = { kind: 'total', count: 0, bytes: 0, reclaimable: 0 };
  for (const { count, bytes, reclaimable } of rows) {
    total.count += count;
    total.bytes += bytes;
    total.reclaimable += reclaimable;
  }
  const cells = [...rows, total].map(({ kind, count, bytes, reclaimable }) => {
    const share = bytes === 0 ? '' : ` (${Math.round((reclaimable / bytes) * 100)}%)`;
    return [kind, formatCount(count), formatBytes(bytes), `${formatBytes(reclaimable)}${share}`];
  });
  const kinds = formatColumns([['KIND', 'COUNT', 'SIZE', 'RECLAIMABLE'], ...cells], { right: [1, 2, 3] });
  if (images.length === 0) return kinds;
  const lines = images.map(({ reference, platform, size, unique, artifacts }) => [
    ...[safe(familiar(reference)), safe(platform)],
    ...[size, unique, artifacts].map(formatBytes),
  ]);
  const head = ['IMAGE', 'PLATFORM', 'SIZE', 'UNIQUE', 'ARTIFACTS'];
  return [...kinds, '', ...formatColumns([head, ...lines], { right: [2, 3, 4] })];
}
