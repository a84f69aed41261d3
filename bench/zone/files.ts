import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { images, sizes } from './images.ts';
import type { Lab, Run, Section } from './lab.ts';
import { complaintOf, median } from './lab.ts';
import type { Machine } from './launch.ts';

/** What a zone does, in steps; each is told by a line of output, so that the host's clock takes the times. */
type Script = readonly (readonly [name: string, command: string])[];

interface Scenario {
  readonly name: string;
  readonly flags: readonly string[];
  readonly image: string;
  readonly script: Script;
}

/** Milliseconds of each step, by its name. */
async function play(lab: Lab, { flags, image, script }: Scenario): Promise<ReadonlyMap<string, number>> {
  const steps = script.map(([, command], index) => `${command}; echo @${index}`);
  const text = ['echo @begin', ...steps].join('\n');
  const run: Run = await lab.time('run', '--rm', '--quiet', ...flags, image, '--', 'sh', '-c', text);
  if (run.status !== 0) throw new Error(complaintOf(run));
  const times = new Map<string, number>();
  let last = run.lines.find(({ text }) => text === '@begin')?.at ?? Number.NaN;
  for (const { at, text } of run.lines) {
    if (!text.startsWith('@') || text === '@begin') continue;
    times.set(script[Number(text.slice(1))]![0], at - last);
    last = at;
  }
  return times;
}

/** Each scenario once a round, and the medians of its steps. */
async function playAll(
  lab: Lab,
  scenarios: readonly Scenario[],
  rounds: number,
): Promise<readonly ReadonlyMap<string, number>[]> {
  const all = scenarios.map(() => new Map<string, number[]>());
  for (let round = 0; round < rounds; round++) {
    for (const [index, scenario] of scenarios.entries()) {
      for (const [name, time] of await play(lab, scenario)) {
        all[index]!.set(name, [...(all[index]!.get(name) ?? []), time]);
      }
      process.stderr.write(`${scenario.name}: round ${round + 1} of ${rounds}\n`);
    }
  }
  return all.map(times => new Map([...times].map(([name, values]) => [name, median(values)])));
}

const format = (time: number | undefined) =>
  time === undefined ? '–' : time < 100 ? time.toFixed(1) : time.toFixed(0);

/** Writing: into memory, and onto a disk. */
export async function measureWrites(lab: Lab, { flags }: Machine, rounds: number): Promise<Section> {
  const small = 'mkdir /many; i=0; while [ $i -lt 500 ]; do echo $i > /many/$i; i=$((i+1)); done';
  const names = Object.keys(sizes);
  const script: Script = [
    ['nothing (`true` in the shell)', 'true'],
    ['64 MiB, one after another', 'dd if=/dev/zero of=/large bs=1M count=64 2>/dev/null'],
    ['`sync` after it', 'sync'],
    ['64 MiB over them', 'dd if=/dev/zero of=/large bs=1M count=64 conv=notrunc 2>/dev/null; sync'],
    ['500 small files', small],
    ['their removal', 'rm -r /many /large'],
    ...names.map(name => [`read ${name} of the image`, `cat /data/${name} > /dev/null`] as const),
    ...names.map(name => [`first byte written to ${name} (copy-up)`, `echo x >> /data/${name}`] as const),
    ...names.map(name => [`second byte written to ${name}`, `echo x >> /data/${name}`] as const),
  ];
  const scenario = (name: string, more: readonly string[]): Scenario => ({
    name,
    flags: [...flags, '--memory', '512M', ...more],
    image: images.tiny,
    script,
  });
  const kinds = [scenario('tmpfs', []), scenario('--scratch 1G', ['--scratch', '1G'])];
  const results = await playAll(lab, kinds, rounds);
  const rows = script.map(([name]) => [name, ...results.map(times => format(times.get(name)))]);
  return { title: 'Writes in a zone, ms', table: [['', ...kinds.map(({ name }) => name)], ...rows] };
}

/** Reading everything once, from compressions of the same files, and with dm-verity. Host’s page cache: warm. */
export async function measureReads(
  lab: Lab,
  { flags }: Machine,
  { rounds, image }: { readonly rounds: number; readonly image: string },
): Promise<Section> {
  const read = (where: string) => `find ${where} -xdev -type f -exec cat {} + > /dev/null`;
  const walk = (where: string) => `find ${where} -xdev > /dev/null`;
  // The same programs in all zones, and in memory before anything counts.
  const ready = 'find /dev/null -exec cat {} + > /dev/null';
  const steps = (where: string): Script => [
    ['programs', ready],
    ['names', walk(where)],
    ['all files, first time', read(where)],
    ['again', read(where)],
  ];
  const wide = [...flags, '--memory', '1G'];
  const root = image === images.tiny ? '/data' : '/usr';
  const scenarios: (Scenario & { readonly artifact?: string })[] = [
    { name: 'the image (zstd)', flags: wide, image, script: steps(root) },
    { name: 'the image, --verity', flags: [...wide, '--verity'], image, script: steps(root) },
  ];
  for (const compression of ['zstd', 'lz4', 'gzip', 'none']) {
    const artifact = path.join(lab.directory, `${image.replace(/\W+/g, '-')}-${compression}.sqfs`);
    if (!existsSync(artifact)) lab.shale('render', '--quiet', image, artifact, '--compression', compression);
    scenarios.push({
      name: `a volume, ${compression}`,
      flags: [...wide, '--volume', `${artifact}:/volume:ro`],
      image,
      script: steps(`/volume${root}`),
      artifact,
    });
  }
  const results = await playAll(lab, scenarios, rounds);
  const rows = scenarios.map(({ name, artifact, script }, index) => [
    name,
    artifact === undefined ? '–' : (statSync(artifact).size / 1e6).toFixed(1),
    ...script.slice(1).map(([step]) => format(results[index]!.get(step))),
  ]);
  const head = ['', 'squashfs, MB', 'names, ms', 'all files, first time, ms', 'again, ms'];
  return {
    title: `Reading ${root} of ${image}`,
    notes: ['Only squashfs: zones do not take EROFS yet.'],
    table: [head, ...rows],
  };
}
