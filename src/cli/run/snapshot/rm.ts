import { cleanSnapshots, removeSnapshots } from '../../../engine/snapshot/manage.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';

export async function run({ operands, values }: Invocation): Promise<number> {
  const { root } = values;
  const removed = await removeSnapshots(operands, { root });
  await cleanSnapshots({ root });
  if (values.json) printJson({ removed });
  else if (!values.quiet) print(removed.map(key => `${safe(key)}\n`).join(''));
  return 0;
}
