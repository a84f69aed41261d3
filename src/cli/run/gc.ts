import { collectGarbage, type GarbageReport } from '../../engine/cache/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe, tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const dryRun = values['dry-run'] === true;
  const report = await collectGarbage({ root: values.root, dryRun, all: values.all === true, signal });
  if (values.json) printJson({ dryRun, ...report });
  else {
    const lines = formatGarbage(report, { dryRun });
    if (lines.length > 0) print(`${lines.join('\n')}\n`);
  }
  if (!values.quiet) {
    const { removed, freedBytes } = report;
    const verb = dryRun ? 'would free' : 'freed';
    const what = removed.length === 0 ? 'nothing' : formatBytes(freedBytes);
    tell(`${verb} ${what}: ${formatNumber(report.kept.length, 'item')} ${dryRun ? 'would stay' : 'stay'}`);
  }
  return 0;
}

/** What goes, and why; in a dry run also what stays, and why. */
export function formatGarbage(
  { removed, kept }: GarbageReport,
  { dryRun }: { readonly dryRun: boolean },
): string[] {
  const row = (verb: string) => (item: GarbageReport['kept'][number]) => {
    return [verb, item.kind, safe(item.name), formatBytes(item.bytes), safe(item.reason)];
  };
  const rows = [...removed.map(row(dryRun ? 'remove' : 'removed')), ...(dryRun ? kept.map(row('keep')) : [])];
  return formatColumns(rows, { right: [3] });
}
