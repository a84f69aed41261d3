import { zoneLogs } from '../../../engine/zone/logs.ts';
import type { Invocation } from '../../command/index.ts';
import { printBytes, printErrorBytes } from '../../output.ts';
import { createLogPrinter } from '../../zone/log-printer.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, follow, timestamps = false, tail } = values;
  const printer = createLogPrinter({ timestamps, tail, stdout: printBytes, stderr: printErrorBytes });
  await zoneLogs(operands[0]!, {
    ...{ root, follow, signal },
    onRecord: record => printer.take(record),
    onCaughtUp: () => printer.catchUp(),
  });
  await printer.catchUp();
  return 0;
}
