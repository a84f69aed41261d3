import { type WhyReport, why } from '../../engine/why.ts';
import { ShaleError } from '../../error/index.ts';
import { printable } from '../../tree/index.ts';
import { jsonBytes } from '../bytes.ts';
import type { Invocation } from '../command/index.ts';
import { readImageOptions } from '../image-options.ts';
import { type Described, formatMode, formatTarget, formatTime, jsonInode } from '../inode.ts';
import { print, printJson, safe } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

type Step = WhyReport['steps'][number];

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const [source, path] = operands as [string, string];
  const progress = openProgress(values, { elsewhere: 'none' });
  let report: WhyReport;
  try {
    const options = readImageOptions(invocation, event => progress.update(event));
    report = await why(source, path, options);
  } finally {
    progress.end();
  }
  reportWarnings(report.warnings, values);
  if (report.steps.length === 0 && report.final === undefined) {
    throw new ShaleError('not-found', `no layer ever had ${printable(`/${report.path}`)}`, {
      hint: 'shale ls SOURCE -R lists what the image has',
      detail: jsonBytes('path', `/${report.path}`),
    });
  }
  if (values.json) printJson(toJson(report));
  else print(`${format(report).join('\n')}\n`);
  return 0;
}

function format({ path, steps, final, layers }: WhyReport): string[] {
  const lines = [printable(`/${path}`)];
  for (const step of steps) {
    const { name, createdBy } = layers[step.layer]!;
    const id = name.replace(/^sha256:/, '').slice(0, 12);
    lines.push(`  layer ${step.layer} ${id} ${verbs[step.action]} ${describe(step)}`);
    if (createdBy !== undefined) lines.push(`    made by: ${safe(createdBy)}`);
    if (step.hiddenBy !== undefined) lines.push(`    hidden by layer ${step.hiddenBy}`);
  }
  lines.push(final === undefined ? 'not in the result' : `in the result: ${formatInode(final)}`);
  return lines;
}

const verbs: Readonly<Record<Step['action'], string>> = {
  added: 'added it',
  changed: 'replaced it',
  metadata: 'changed its metadata',
  emptied: 'emptied it',
  deleted: 'deleted it',
};

function describe({ action, by, record, inode }: Step): string {
  const name = printable(record.path);
  switch (by) {
    case 'entry':
      return `with the ${record.type} ${name}${inode === undefined || action === 'deleted' ? '' : `: ${formatInode(inode)}`}`;
    case 'implied':
      return `as a parent of ${name}, without an entry of its own`;
    case 'whiteout':
      return `by the whiteout of ${name}`;
    case 'opaque':
      return `by the opaque directory ${name}`;
    case 'replaced':
      return `by putting ${name} above it`;
  }
}

function formatInode(inode: Described): string {
  const size = inode.type === 'file' ? `, ${formatBytes(inode.size ?? 0)}` : '';
  const time = `${formatTime(inode.mtime)} UTC`;
  return `${inode.type} ${formatMode(inode)} ${inode.uid}:${inode.gid}${size}, ${time}${formatTarget(inode)}`;
}

function toJson({ path, steps, final, layers, warnings }: WhyReport): unknown {
  return {
    ...jsonBytes('path', `/${path}`),
    steps: steps.map(({ layer, action, by, record, inode, hiddenBy }) => ({
      ...{ layer, action, by, hiddenBy },
      record: { entry: record.entry, type: record.type, ...jsonBytes('path', record.path) },
      inode: inode && jsonInode(inode),
    })),
    final: final && jsonInode(final),
    layers,
    warnings,
  };
}
