import { copy } from '../../engine/copy.ts';
import type { Invocation } from '../command/index.ts';
import { runTransfer } from '../run-transfer.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [source, target] = invocation.operands as [string, string];
  return await runTransfer(invocation, options => copy(source, target, options), {
    name: () => target,
    data: ({ digest }) => digest,
  });
}
