import { commitSnapshot } from '../../engine/snapshot/commit.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe, tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';
import { pinned } from '../reference.ts';
import { reportWarnings } from '../warnings.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [place, name] = operands as [string, string];
  const { root, message, author, change: changes, strict } = values;
  const compression = values.compression as 'gzip' | 'zstd' | undefined;
  const result = await commitSnapshot(place, name, {
    root,
    message,
    author,
    changes,
    compression,
    strict,
    signal,
  });
  const { reference, manifestDigest, layer } = result;
  reportWarnings(result.warnings, values);
  if (!values.quiet) {
    const entries = formatNumber(layer.entries, 'entry', 'entries');
    tell(`${safe(reference)}: one more layer, ${entries}, ${formatBytes(layer.size)}`);
  }
  if (values.json) printJson(result);
  else print(`${safe(pinned(reference, manifestDigest))}\n`);
  return 0;
}
