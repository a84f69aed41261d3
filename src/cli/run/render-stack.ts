import { renderStack, type StackResult } from '../../engine/stack/index.ts';
import type { Invocation } from '../command/index.ts';
import { UsageError } from '../error.ts';
import { readImageOptions } from '../image-options.ts';
import type { Values } from '../option.ts';
import { formatJson, printJson, safe, tell } from '../output.ts';
import { openProgress } from '../progress/index.ts';
import { formatBytes, formatNumber, formatRate, formatSeconds } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

/** `shale render` with --layers, --merged or --tar-index. */
export async function runStack(invocation: Invocation): Promise<number> {
  const { operands, values } = invocation;
  const [source, path, ...more] = operands as [string, string, ...string[]];
  checkUsage(values, path, more);
  const { layers, merged, 'tar-index': tarIndex } = values;
  const begin = performance.now();
  const progress = openProgress(values, { elsewhere: 'plain', reading: 'rendering' });
  let result: StackResult;
  try {
    const request = { merged, tarIndex, ...(layers && { overlay: true }) };
    result = await renderStack(source, path, request, {
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

function checkUsage(values: Values, path: string, more: readonly string[]): void {
  const hint = 'see shale render --help';
  if (more.length > 0) throw new UsageError('a stack is made in one OUT, a directory', hint);
  if (path === '-') throw new UsageError('a stack is a directory, not a stream', hint);
  const given = (['format', 'compression', 'level', 'block-size', 'no-fragments', 'mtime'] as const).find(
    name => values[name] !== undefined,
  );
  if (given === undefined) return;
  throw new UsageError(
    `--${given} does not apply to a stack: its files are always uncompressed EROFS images, or tars`,
    hint,
  );
}

function summarise(
  { path, manifest, bytes, image, inodes, made }: StackResult,
  seconds: number,
  { progress, 'hash-tree': hashTree }: Values,
): void {
  if (progress === 'json') {
    tell(formatJson({ event: 'end', path, manifest, bytes, image, inodes, made, seconds }));
    return;
  }
  const rate = made === 0 ? 'out of the cache' : formatRate(image.uncompressedBytes, seconds);
  const what = `${formatNumber(manifest.layers.length, 'layer')}, ${formatBytes(bytes)}, ${formatNumber(inodes, 'inode')}`;
  tell(`${safe(path)}: stack of ${what}, in ${formatSeconds(seconds)}, ${rate}`);
  for (const { file, rootHash, hashFile } of [manifest.overlay?.head, manifest.merged?.image].filter(
    isThere,
  )) {
    if (hashFile !== undefined) tell(`${safe(path)}/${file}: root hash ${rootHash}`);
  }
  if (hashTree !== undefined && hashTree !== 'none') tell(`${safe(path)}/stack.json has those of all files`);
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}
