import { snapshotMounts } from '../../../engine/snapshot/manage.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson } from '../../output.ts';
import { formatMounts } from '../../snapshot/mount-command.ts';

export async function run({ operands, values }: Invocation): Promise<number> {
  const prepared = await snapshotMounts(operands[0]!, { root: values.root });
  if (values.json) printJson(prepared);
  else print(formatMounts(prepared.mounts));
  return 0;
}
