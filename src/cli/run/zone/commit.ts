import { commitZone } from '../../../engine/zone/commit.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe, tell } from '../../output.ts';
import { formatBytes, formatNumber } from '../../quantity.ts';
import { pinned } from '../../reference.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [zone, name] = operands as [string, string];
  const { root, message, author, change: changes } = values;
  const result = await commitZone(zone, name, { root, message, author, changes, signal });
  const { reference, manifestDigest, layer } = result;
  if (!values.quiet) {
    const entries = formatNumber(layer.entries, 'entry', 'entries');
    tell(`${safe(reference)}: one more layer, ${entries}, ${formatBytes(layer.size)}`);
  }
  if (values.json) printJson(result);
  else print(`${safe(pinned(reference, manifestDigest))}\n`);
  return 0;
}
