import { listSnapshots, snapshotUsage } from '../../../engine/snapshot/manage.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';
import { formatBytes, formatCount } from '../../quantity.ts';

export async function run({ operands, values }: Invocation): Promise<number> {
  const { root } = values;
  const keys = operands.length > 0 ? operands : (await listSnapshots({ root })).map(({ key }) => key);
  const usage = [];
  for (const key of keys) usage.push({ key, ...(await snapshotUsage(key, { root })) });
  if (values.json) printJson({ usage });
  else {
    const rows = usage.map(({ key, size, inodes }) => [safe(key), formatBytes(size), formatCount(inodes)]);
    print(`${formatColumns([['NAME', 'SIZE', 'INODES'], ...rows], { right: [1, 2] }).join('\n')}\n`);
  }
  return 0;
}
