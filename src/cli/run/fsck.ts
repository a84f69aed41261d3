import { checkCache, type FsckReport } from '../../engine/cache/index.ts';
import { exitStatus } from '../../error/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { readRegistryOptions } from '../image-options.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatCount, formatNumber, formatRate, formatSeconds } from '../quantity.ts';

export async function run({ values, signal }: Invocation): Promise<number> {
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'none' });
  let report: FsckReport;
  try {
    report = await checkCache({
      ...{ root: values.root, repair: values.repair === true, signal },
      ...readRegistryOptions(values),
      onProgress: ({ checked: done, total }) => progress.update({ type: 'check', done, total }),
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  const left = report.damaged.filter(({ action }) => action === 'none').length;
  if (values.json) printJson({ ...report, sound: left === 0, seconds });
  else if (report.damaged.length > 0) print(`${formatDamage(report).join('\n')}\n`);
  if (!values.quiet) {
    if (values.progress === 'json') tell(formatJson({ event: 'end', ...report, seconds }));
    else tell(summarise(report, left, { repair: values.repair === true, seconds }));
  }
  return left === 0 ? 0 : exitStatus.corrupt;
}

const actions = {
  none: 'damaged',
  dropped: 'dropped',
  refetched: 'downloaded again',
  repaired: 'repaired',
} as const;

/** What is damaged, how, and what was done about it. */
export function formatDamage({ damaged }: Pick<FsckReport, 'damaged'>): string[] {
  return formatColumns(
    damaged.map(({ kind, name, problem, action }) => [kind, safe(name), actions[action], safe(problem)]),
  );
}

function summarise(
  { checked, bytes, damaged, measured }: FsckReport,
  left: number,
  { repair, seconds }: { readonly repair: boolean; readonly seconds: number },
): string {
  const files = `${formatNumber(checked, 'file')}, ${formatBytes(bytes)}`;
  const speed = `${formatSeconds(seconds)}, ${formatRate(bytes, seconds)}`;
  const verdict =
    damaged.length === 0
      ? 'nothing is damaged'
      : left === 0
        ? `${formatCount(damaged.length)} damaged, all repaired`
        : repair
          ? `${formatCount(damaged.length)} damaged, ${formatCount(left)} not repaired`
          : `${formatCount(damaged.length)} damaged; shale fsck --repair drops and downloads again`;
  const hashed =
    measured.length === 0 ? '' : `; computed hashes of ${formatNumber(measured.length, 'artifact')}`;
  return `checked ${files}, in ${speed}: ${verdict}${hashed}`;
}
