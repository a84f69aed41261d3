import { removeZones } from '../../../engine/zone/end.ts';
import type { Invocation } from '../../command/index.ts';
import { UsageError } from '../../error.ts';
import { printZones } from '../../zone/summary.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, force, all = false } = values;
  if (all === operands.length > 0)
    throw new UsageError('zone rm needs either ZONE or --all', 'see shale zone rm --help');
  return printZones(await removeZones(all ? 'all' : operands, { root, force, signal }), values);
}
