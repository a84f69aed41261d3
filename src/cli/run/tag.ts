import { tagImage } from '../../engine/cache/index.ts';
import type { Invocation } from '../command/index.ts';
import { printJson, safe, tell } from '../output.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const [source, name] = operands as [string, string];
  const { root, platform } = values;
  const tagged = await tagImage(source, name, { root, platform, signal });
  if (values.json) printJson({ tagged });
  else if (!values.quiet) {
    for (const { reference, platform } of tagged) tell(`tagged ${safe(reference)} (${safe(platform)})`);
  }
  return 0;
}
