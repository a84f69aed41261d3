import { stopZones } from '../../../engine/zone/end.ts';
import type { Invocation } from '../../command/index.ts';
import { printZones } from '../../zone/summary.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, grace } = values;
  return printZones(await stopZones(operands, { root, grace, signal }), values);
}
