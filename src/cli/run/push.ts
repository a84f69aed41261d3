import { push } from '../../engine/push.ts';
import type { Invocation } from '../command/index.ts';
import { pinned } from '../reference.ts';
import { runTransfer } from '../run-transfer.ts';

export async function run(invocation: Invocation): Promise<number> {
  const [image, target] = invocation.operands as [string, string?];
  return await runTransfer(invocation, options => push(image, target, options), {
    name: ({ reference }) => reference,
    data: ({ reference, digest }) => pinned(reference, digest),
  });
}
