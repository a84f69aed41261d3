import type { OutputFormat } from '../../engine/output.ts';
import type { Difference, VerifyReport } from '../../engine/verify/index.ts';
import { verify } from '../../engine/verify/index.ts';
import { exitStatus } from '../../error/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { readImageOptions } from '../image-options.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatCount, formatNumber, formatRate, formatSeconds } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

/** How many differences are printed for people; --json has all that the engine keeps. */
const shown = 100;

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const [source, artifact] = operands as [string, string];
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'none' });
  let report: VerifyReport;
  try {
    const options = readImageOptions(invocation, event => progress.update(event));
    report = await verify(source, artifact, {
      ...options,
      format: values.format as OutputFormat | undefined,
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  reportWarnings(report.warnings, values);
  const { differences, differenceCount: count } = report;
  const same = count === 0;
  if (values.json) printJson({ same, ...report, seconds });
  else if (!same) print(`${formatDifferences(differences, count).join('\n')}\n`);
  if (!values.quiet) {
    if (values.progress === 'json') tell(formatJson({ event: 'end', same, differenceCount: count, seconds }));
    else tell(summarise(report, artifact, seconds));
  }
  return same ? 0 : exitStatus.corrupt;
}

function formatDifferences(differences: readonly Difference[], count: number): string[] {
  const first = differences.slice(0, shown);
  const rows = first.map(({ path, what, expected, actual }) => [
    what,
    safe(path),
    [
      ...(expected === undefined ? [] : [`image ${safe(expected)}`]),
      ...(actual === undefined ? [] : [`artifact ${safe(actual)}`]),
    ].join(', '),
  ]);
  const more = count - first.length;
  return [...formatColumns(rows), ...(more > 0 ? [`and ${formatNumber(more, 'difference')} more`] : [])];
}

function summarise(report: VerifyReport, artifact: string, seconds: number): string {
  const { format, inodes, files, bytes, differenceCount: count } = report;
  const verdict =
    count === 0 ? 'is the image' : `differs from the image: ${formatNumber(count, 'difference')}`;
  const contents = `${formatNumber(inodes, 'inode')}, ${formatCount(files)} of them files with ${formatBytes(bytes)}`;
  const speed = `${formatSeconds(seconds)}, ${formatRate(bytes, seconds)}`;
  return `${safe(artifact)}: ${format} ${verdict}; ${contents}, in ${speed}`;
}
