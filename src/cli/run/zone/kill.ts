import { killZones } from '../../../engine/zone/end.ts';
import type { Invocation } from '../../command/index.ts';
import { UsageError } from '../../error.ts';
import { findSignal } from '../../zone/signal-name.ts';
import { printZones } from '../../zone/summary.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, signal: word = 'KILL' } = values;
  const send = findSignal(word);
  if (send === undefined) {
    throw new UsageError(`--signal: ${JSON.stringify(word)} is no signal`, 'such as TERM, SIGTERM or 15');
  }
  return printZones(await killZones(operands, { root, send, signal }), values);
}
