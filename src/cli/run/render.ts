import type { OutputFormat, OutputRequest } from '../../engine/output.ts';
import { formatOf } from '../../engine/output.ts';
import { type RenderResult, render } from '../../engine/render.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import type { Values } from '../option.ts';
import { formatJson, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatNumber, formatRate, formatSeconds } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  if (values.layers || values.merged || values['tar-index']) {
    const { runStack } = await import('./render-stack.ts');
    return await runStack(invocation);
  }
  const [source, ...paths] = operands as [string, ...string[]];
  const requests = createRequests(paths, values);
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'rendering' });
  let result: RenderResult;
  try {
    result = await render(source, requests, {
      ...readImageOptions(invocation, event => progress.update(event)),
      ...{ hashTree: values['hash-tree'], seal: values.seal },
    });
  } finally {
    progress.end();
  }
  const seconds = (performance.now() - begin) / 1000;
  reportWarnings(result.warnings, values);
  if (!values.quiet) summarise(result, seconds, values);
  if (values.json) printJson({ ...result, seconds });
  return 0;
}

function createRequests(paths: readonly string[], values: Values): OutputRequest[] {
  if (paths.filter(path => path === '-').length > 1) throw usage('only one OUT can be standard output');
  if (values.json && paths.includes('-')) throw usage('--json and - both want standard output');
  const { compression, level, mtime } = values;
  const squashfs = {
    ...{ compression, level, mtime, blockSize: values['block-size'] },
    ...(values['no-fragments'] && { fragments: false }),
  };
  const { format } = values as { format?: OutputFormat };
  const formats = paths.map(path => format ?? formatOf(path));
  // Among several, the flags mean the squashfs, or else the EROFS; without any, the engine says what is wrong with them.
  const owner = (['squashfs', 'erofs'] as const).find(each => formats.includes(each));
  return paths.map((path, index) => ({
    ...{ path, format: formats[index] },
    ...(owner === undefined || formats[index] === owner ? squashfs : {}),
    ...(path === '-' && { stdout: process.stdout }),
  }));
}

function usage(message: string): UsageError {
  return new UsageError(message, 'see shale render --help');
}

function summarise(
  { outputs, inodes, image, reused }: RenderResult,
  seconds: number,
  { progress }: Values,
): void {
  if (progress === 'json') {
    tell(formatJson({ event: 'end', outputs, inodes, image, reused, seconds }));
    return;
  }
  const rate = reused ? 'out of the cache' : formatRate(image.uncompressedBytes, seconds);
  const speed = `${formatSeconds(seconds)}, ${rate}`;
  for (const { path, format, bytes, rootHash } of outputs) {
    const name = path === '-' ? 'standard output' : safe(path);
    tell(`${name}: ${format}, ${formatBytes(bytes)}, ${formatNumber(inodes, 'inode')}, in ${speed}`);
    if (rootHash !== undefined) tell(`${name}: root hash ${rootHash}`);
  }
}
