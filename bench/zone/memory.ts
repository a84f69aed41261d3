import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { images } from './images.ts';
import type { Lab, Section } from './lab.ts';
import { median } from './lab.ts';
import type { Machine } from './launch.ts';

/** What a process has in memory, in KiB: all of it, its share, and what nobody shares with it. */
interface Footprint {
  readonly resident: number;
  readonly share: number;
  readonly alone: number;
  /** Processor time that a second of idling took, in milliseconds. */
  readonly idle: number;
}

/** The memory of zones that do nothing, several at once. */
export async function measureMemory(lab: Lab, usable: readonly Machine[], count: number): Promise<Section> {
  const rows: string[][] = [];
  for (const { name, flags } of usable) {
    for (const [suffix, more] of [
      ['cold', []],
      ['warm', ['--warm']],
    ] as const) {
      const zones: string[] = [];
      try {
        for (let index = 0; index < count; index++) {
          const words = ['-d', '--quiet', '--memory', '512M', ...flags, ...more, images.tiny];
          zones.push(lab.shale('run', ...words, '--', 'sleep', '600').trim());
        }
        await sleep(2000);
        const prints = await Promise.all(zones.map(zone => footprint(findProcess(lab, zone))));
        const column = (pick: (print: Footprint) => number) => median(prints.map(pick));
        rows.push([
          `${name}, ${suffix}`,
          ...[column(p => p.resident), column(p => p.share), column(p => p.alone)].map(mebibytes),
          column(p => p.idle).toFixed(0),
        ]);
      } catch (error) {
        rows.push([`${name}, ${suffix}`, (error as Error).message.split('\n')[1] ?? '–', '–', '–', '–']);
      } finally {
        if (zones.length > 0) lab.shale('zone', 'rm', '--force', ...zones);
      }
    }
  }
  const head = ['', 'RSS, MiB', 'PSS, MiB', 'private, MiB', 'CPU, ms a second'];
  return {
    title: `Memory of a zone of 512 MiB that idles, ${count} at once`,
    notes: [
      'Of the hypervisor’s process: /proc/PID/smaps_rollup. Zones of one saved state share pages: their PSS says how many.',
    ],
    table: [head, ...rows],
  };
}

function findProcess(lab: Lab, zone: string): number {
  const { pid } = JSON.parse(lab.shale('zone', 'inspect', '--json', zone)) as { pid?: number };
  if (pid === undefined) throw new Error(`zone inspect\n${zone} has no process`);
  return pid;
}

async function footprint(pid: number): Promise<Footprint> {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN);
  const before = processorTime(pid);
  await sleep(3000);
  return {
    resident: field('Rss'),
    share: field('Pss'),
    alone: field('Private_Clean') + field('Private_Dirty'),
    idle: (processorTime(pid) - before) / 3,
  };
}

/** In milliseconds: fields 14 and 15 of stat, in hundredths of a second. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const mebibytes = (kibibytes: number) => (kibibytes / 1024).toFixed(0);
