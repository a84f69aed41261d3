import { removeImages } from '../../engine/cache/index.ts';
import type { Invocation } from '../command/index.ts';
import { print, printJson, safe, tell } from '../output.ts';
import { formatBytes, formatNumber } from '../quantity.ts';

export async function run({ operands, values, signal }: Invocation): Promise<number> {
  const { root, platform } = values;
  const { images, freedBytes } = await removeImages(operands, { root, platform, signal });
  if (values.json) printJson({ removed: images, freedBytes });
  else print(images.map(({ reference, platform }) => `${safe(reference)} ${safe(platform)}\n`).join(''));
  if (!values.quiet)
    tell(`removed ${formatNumber(images.length, 'image')}, freed ${formatBytes(freedBytes)}`);
  return 0;
}
