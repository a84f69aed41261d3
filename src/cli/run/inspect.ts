import { type ImageReport, inspect, type LayerReport } from '../../engine/inspect.ts';
import { provenance } from '../../engine/provenance/index.ts';
import { formatColumns } from '../columns.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import { print, printJson, safe } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatCount, formatNumber } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const layers = values.layers === true;
  if (values.provenance) {
    if (layers) throw new UsageError('--provenance and --layers are two reports', 'see shale inspect --help');
    printJson(await provenance(operands[0]!, readImageOptions(invocation)));
    return 0;
  }
  // Without the layers there is nothing to wait for.
  const progress = openProgress(layers ? values : { ...values, quiet: true }, { elsewhere: 'none' });
  let report: ImageReport;
  try {
    const options = readImageOptions(invocation, event => progress.update(event));
    report = await inspect(operands[0]!, { ...options, layers });
  } finally {
    progress.end();
  }
  if (report.warnings !== undefined) reportWarnings(report.warnings, values);
  if (values.json) printJson(report);
  else print(`${formatReport(report).join('\n')}\n`);
  return 0;
}

function formatReport(report: ImageReport): string[] {
  const facts: [string, string | undefined][] = [
    ['reference', report.reference],
    ['platform', report.platform],
    ['manifest', report.manifestDigest],
    ['config', report.configDigest],
    ['created', report.created],
    ['size', `${formatBytes(report.size)} in ${formatNumber(report.layers.length, 'layer')}`],
  ];
  const known = facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
  const execution = Object.entries(report.config).flatMap(([name, value]) => formatSetting(name, value));
  return formatColumns([...known.map(([name, value]) => [name, safe(value)]), ...execution]).concat(
    '',
    formatLayers(report.layers),
  );
}

/** Lists and maps take a row for each of theirs. */
function formatSetting(name: string, value: unknown): [string, string][] {
  // Docker writes every field; what is empty or off says nothing.
  if (value === null || value === undefined || value === '' || value === false) return [];
  const isCommand = name === 'Entrypoint' || name === 'Cmd';
  if (typeof value !== 'object' || isCommand) {
    return [[safe(name), safe(typeof value === 'string' ? value : JSON.stringify(value))]];
  }
  const items = Array.isArray(value)
    ? value.map(item => (typeof item === 'string' ? item : JSON.stringify(item)))
    : Object.entries(value).map(([key, item]) => {
        const text = typeof item === 'string' ? item : JSON.stringify(item);
        return text === '{}' ? key : `${key}=${text}`;
      });
  return items.map((item, index) => [index === 0 ? safe(name) : '', safe(item)]);
}

function formatLayers(layers: readonly LayerReport[]): string[] {
  const read = layers.some(({ content }) => content !== undefined);
  const more = ['kind', 'unpacked', 'entries', 'whiteouts', 'hidden'];
  const head = ['layer', 'size', ...(read ? more : []), 'digest', 'created by'];
  const rows = layers.map(({ digest, diffId, size, createdBy = '', content }, layer) => {
    const id = (digest ?? diffId).replace(/^sha256:/, '').slice(0, 12);
    const cells = [String(layer), formatBytes(size)];
    if (content !== undefined) {
      const { compression, uncompressedSize, entries, whiteouts, opaques, hiddenBytes } = content;
      cells.push(compression, formatBytes(uncompressedSize), formatCount(entries));
      cells.push(formatCount(whiteouts + opaques), formatBytes(hiddenBytes));
    }
    return [...cells, id, shorten(safe(createdBy))];
  });
  return formatColumns([head, ...rows], { right: read ? [0, 1, 3, 4, 5, 6] : [0, 1] });
}

function shorten(text: string): string {
  return text.length <= 72 ? text : `${text.slice(0, 71)}…`;
}
