import { images } from './images.ts';
import type { Lab, Section } from './lab.ts';
import { spread } from './lab.ts';
import type { Machine } from './launch.ts';

/** `zone exec` into a zone that runs already, beside the start of Shale alone. */
export async function measureExec(lab: Lab, usable: readonly Machine[], rounds: number): Promise<Section> {
  const rows: string[][] = [];
  for (const { name, flags } of usable) {
    const zone = lab.shale('run', '-d', '--quiet', ...flags, images.tiny, '--', 'sleep', '600').trim();
    const [outputs, ends, bare]: number[][] = [[], [], []];
    try {
      for (let round = 0; round <= rounds; round++) {
        const run = await lab.time('zone', 'exec', zone, '--', 'echo', '@marker');
        const { total } = await lab.time('zone', 'ls', '--quiet');
        const output = run.lines.find(({ text }) => text === '@marker')?.at;
        if (round === 0) continue;
        if (output !== undefined) outputs!.push(output);
        ends!.push(run.total);
        bare!.push(total);
      }
    } finally {
      lab.shale('zone', 'rm', '--force', zone);
    }
    rows.push([name, spread(outputs!), spread(ends!), spread(bare!)]);
  }
  const head = ['', 'until output, ms', 'until the end, ms', 'shale zone ls, ms'];
  return { title: 'A command more in a running zone (`shale zone exec`)', table: [head, ...rows] };
}
