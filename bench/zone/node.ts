import { images } from './images.ts';
import type { Lab, Section } from './lab.ts';
import { complaintOf, spread } from './lab.ts';
import type { Machine } from './launch.ts';

/** An application: from the command line to its first output. */
export async function measureNode(lab: Lab, usable: readonly Machine[], rounds: number): Promise<Section> {
  const times = new Map<string, number[]>();
  const notes: string[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const { name, flags } of usable) {
      for (const more of [[], ['--warm']]) {
        const words = ['run', '--rm', '--quiet', ...flags, ...more, images.node, '--'];
        const run = await lab.time(...words, '/usr/bin/node', '/app/main.mjs');
        const output = run.lines.find(({ text }) => text.startsWith('@marker'))?.at;
        const label = `${name}, ${more.length > 0 ? 'warm' : 'cold'}`;
        if (output === undefined) notes.push(`${label}: ${complaintOf(run)}`);
        else if (round > 0) times.set(label, [...(times.get(label) ?? []), output]);
      }
    }
    process.stderr.write(`Node: round ${round} of ${rounds}\n`);
  }
  const rows = [...times].map(([name, all]) => [name, spread(all)]);
  return {
    title: `A Node application (${process.version}), until its first output`,
    notes,
    table: [['', 'ms'], ...rows],
  };
}
