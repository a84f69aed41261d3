import { diff } from '../../engine/snapshot/diff.ts';
import { jsonBytes } from '../bytes.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe, tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';
import { reportWarnings } from '../warnings.ts';

const letters = { added: 'A', changed: 'C', deleted: 'D' } as const;

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, form, out, strict, json } = values;
  const compression = values.compression as 'gzip' | 'zstd' | 'none' | undefined;
  const changes: Record<string, unknown>[] = [];
  const result = await diff(operands as [string, string?], {
    ...{ root, form, out, compression, strict, signal },
    onChange({ kind, path }) {
      if (json) changes.push({ kind, ...jsonBytes('path', `/${path}`) });
      else if (!values.quiet) print(`${letters[kind]} /${safe(Buffer.from(path, 'latin1').toString())}\n`);
    },
  });
  reportWarnings(result.warnings, values);
  const { layer } = result;
  if (layer !== undefined && !values.quiet && !json) {
    tell(
      `${safe(layer.path)}: ${formatNumber(layer.entries, 'entry', 'entries')}, ${formatBytes(layer.size)}`,
    );
    print(`${layer.digest}\n`);
  }
  if (json) printJson(layer === undefined ? { ...result, changes } : result);
  return 0;
}
