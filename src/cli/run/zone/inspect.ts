import { inspectZone } from '../../../engine/zone/list.ts';
import type { ZoneReport } from '../../../engine/zone/report.ts';
import { formatColumns } from '../../columns.ts';
import type { Invocation } from '../../command/index.ts';
import { formatJson, print, printJson, safe } from '../../output.ts';
import { formatSize } from '../../quantity.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const report = await inspectZone(operands[0]!, { root: values.root, signal });
  if (values.json) printJson(report);
  else print(`${formatReport(report).join('\n')}\n`);
  return 0;
}

/** One line for each fact that there is. */
export function formatReport(report: ZoneReport): string[] {
  const rows = Object.entries({ ...report, memory: formatSize(report.memory) })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [
      safe(name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)),
      typeof value === 'object' ? formatJson(value) : safe(String(value)),
    ]);
  return formatColumns(rows);
}
