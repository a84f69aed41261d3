import type { Invocation } from '../command/index.ts';
import { engine } from '../contract.ts';
import { print, printJson, safe } from '../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, platform } = values;
  const removeImages = await engine('cache/index', 'removeImages');
  const removed = await removeImages(operands, { root, platform, signal });
  if (values.json) printJson({ removed });
  else if (!values.quiet) print(removed.map(({ reference }) => `${safe(reference)}\n`).join(''));
  return 0;
}
