import { cat } from '../../engine/cat.ts';
import type { Invocation } from '../command/index.ts';
import { readImageOptions } from '../image-options.ts';
import { printBytes } from '../output.ts';

export async function run(invocation: Invocation): Promise<number> {
  const { operands, signal } = invocation;
  const [place, ...paths] = operands as [string, ...string[]];
  for (const path of paths) {
    for await (const chunk of cat(place, path, readImageOptions(invocation))) {
      signal.throwIfAborted();
      await printBytes(chunk);
    }
  }
  return 0;
}
