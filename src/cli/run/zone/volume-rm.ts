import { removeVolumes } from '../../../engine/zone/volume-list.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const volumes = await removeVolumes(operands, { root: values.root, signal });
  if (values.json) printJson({ removed: volumes });
  else if (!values.quiet) print(volumes.map(({ name }) => `${safe(name)}\n`).join(''));
  return 0;
}
