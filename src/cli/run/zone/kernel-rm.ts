import { removeKernels } from '../../../engine/zone/kernels.ts';
import type { Invocation } from '../../command/index.ts';
import { print, printJson, safe } from '../../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const kernels = await removeKernels(operands, { root: values.root, signal });
  if (values.json) printJson({ removed: kernels });
  else if (!values.quiet) print(kernels.map(({ name }) => `${safe(name)}\n`).join(''));
  return 0;
}
