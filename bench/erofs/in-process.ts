import path from 'node:path';
import { renderStack } from '../../src/engine/stack/index.ts';
import type { BenchImage } from '../image.ts';
import { empty, type Followers } from './contenders.ts';

/** Seconds of each round but the first. */
export interface InProcess {
  readonly name: string;
  readonly seconds: readonly number[];
}

/**
 * What the merged image costs a process that has started and loaded its code: whole, and where only its metadata is missing. `first`:
 * the followers from there on, one a round and form, are this function's.
 */
export async function mergeInProcess(
  image: BenchImage,
  { directory, cache, rounds }: Followers,
  first: number,
  scratch: string,
): Promise<readonly InProcess[]> {
  const out = path.join(scratch, 'in-process');
  const timed = async (act: () => Promise<unknown>) => {
    const begin = performance.now();
    await act();
    return (performance.now() - begin) / 1000;
  };
  const results = [
    { name: 'layers, merged: all', seconds: [] as number[] },
    { name: 'layers, merged: layers cached', seconds: [] as number[] },
    { name: 'tar-index, merged: layers cached', seconds: [] as number[] },
  ];
  for (let round = 0; round <= rounds; round++) {
    const times: number[] = [];
    empty(out);
    const own = { root: path.join(out, 'cache') };
    times.push(
      await timed(() => renderStack(`oci:${image.directory}`, path.join(out, 'all'), { merged: true }, own)),
    );
    for (const [index, tarIndex] of [false, true].entries()) {
      const source = `oci:${directory}:next-${first + index * (rounds + 1) + round}`;
      const options = { root: cache };
      await renderStack(source, path.join(out, `layers-${index}`), { overlay: true, tarIndex }, options);
      times.push(
        await timed(() =>
          renderStack(source, path.join(out, `merged-${index}`), { merged: true, tarIndex }, options),
        ),
      );
    }
    empty(out);
    if (round > 0) for (const [index, result] of results.entries()) result.seconds.push(times[index]!);
  }
  return results;
}
