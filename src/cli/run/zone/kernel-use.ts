import { useKernel } from '../../../engine/zone/kernels.ts';
import type { Invocation } from '../../command/index.ts';
import { printJson, safe, tell } from '../../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const kernel = await useKernel(operands[0]!, { root: values.root, signal });
  if (values.json) printJson(kernel);
  else if (!values.quiet) tell(`zones have ${safe(kernel.name)} from here on`);
  return 0;
}
