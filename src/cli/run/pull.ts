import { type PullFormat, type PullResult, pull } from '../../engine/pull.ts';
import type { Invocation } from '../command/index.ts';
import { readImageOptions } from '../image-options.ts';
import type { Values } from '../option.ts';
import { formatJson, print, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatNumber, formatRate, formatSeconds } from '../quantity.ts';
import { pinned } from '../reference.ts';
import { reportWarnings } from '../warnings.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const { compression, level, mtime, format, layers, merged, policy = 'always' } = values;
  const tarIndex = values['tar-index'];
  const isStack = layers || merged || tarIndex;
  const begin = performance.now();
  const reading = format === 'none' ? 'nothing' : 'rendering';
  const progress = openProgress(values, { elsewhere: 'plain', reading });
  let result: PullResult;
  try {
    result = await pull(operands[0]!, {
      ...readImageOptions(invocation, event => progress.update(event)),
      ...{
        policy,
        format: format as PullFormat | undefined,
        compression,
        level,
        mtime,
        blockSize: values['block-size'],
      },
      ...(values['no-fragments'] && { fragments: false }),
      ...(isStack && { stack: { merged, tarIndex, ...(layers && { overlay: true }) } }),
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  reportWarnings(result.warnings, values);
  if (!values.quiet) summarise(result, seconds, values);
  if (values.json) printJson({ ...result, seconds });
  else print(`${safe(pinned(result.reference, result.digest))}\n`);
  return 0;
}

function summarise(result: PullResult, seconds: number, { progress }: Values): void {
  if (progress === 'json') {
    const { warnings: _, ...rest } = result;
    tell(formatJson({ event: 'end', ...rest, seconds }));
  } else for (const line of formatPull(result, seconds)) tell(line);
}

/** What a pull has done, for people. */
export function formatPull(result: PullResult, seconds: number): string[] {
  const { reference, platform, layers, downloadedBytes: bytes, upToDate, artifact, stack } = result;
  const there = layers.filter(({ cached }) => cached).length;
  const name = `${safe(reference)} (${safe(platform)})`;
  const speed = `in ${formatSeconds(seconds)}, ${formatRate(bytes, seconds)}`;
  const some = there === 0 ? '' : `; ${there} of ${formatNumber(layers.length, 'layer')} were there`;
  const lines = [
    upToDate
      ? `${name}: up to date`
      : bytes === 0
        ? `${name}: nothing to download, all was there`
        : `${name}: downloaded ${formatBytes(bytes)}${some}; ${speed}`,
  ];
  if (artifact !== undefined) {
    const { path, format, bytes, reused } = artifact;
    lines.push(`${safe(path)}: ${safe(format)}, ${formatBytes(bytes)}${reused ? ', was there' : ''}`);
  }
  if (stack !== undefined) {
    const was = stack.made === 0 ? ', was there' : `, ${stack.made} of them made now`;
    lines.push(`stack of ${formatNumber(stack.files.length, 'file')}${was}`);
    const { merged, overlay } = stack.manifest;
    for (const top of [overlay?.head, merged?.image]) {
      const path = stack.files.find(({ file }) => file === top?.file)?.path;
      if (path !== undefined) lines.push(`${safe(path)}: ${top!.file}`);
    }
  }
  return lines;
}
