import type { Invocation } from '../command/index.ts';
import { engine } from '../contract.ts';
import { printJson } from '../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [source, name] = operands as [string, string];
  const { root, platform } = values;
  const tagImage = await engine('cache/index', 'tagImage');
  const tagged = await tagImage(source, name, { root, platform, signal });
  if (values.json) printJson({ tagged });
  return 0;
}
