import type { Invocation } from '../../command/index.ts';
import { runPrepare } from '../../snapshot/prepare.ts';

export async function run(invocation: Invocation): Promise<number> {
  return await runPrepare('prepare', invocation);
}
