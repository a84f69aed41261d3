import { Hand, type HandRun } from './hand.ts';
import { images } from './images.ts';
import { complaintOf, type Lab, median, type Run, type Section, spread } from './lab.ts';

/** A way to run zones. */
export interface Machine {
  readonly name: string;
  readonly flags: readonly string[];
  readonly hand?: 'microvm' | 'q35';
}

/** All that there are; those that do not work here are left out, with the reason. */
const machines: readonly Machine[] = [
  { name: 'QEMU microvm, TCG', flags: ['--vmm', 'qemu', '--accel', 'tcg'], hand: 'microvm' },
  { name: 'QEMU q35, TCG', flags: ['--vmm', 'qemu', '--accel', 'tcg', '--machine', 'q35'], hand: 'q35' },
  { name: 'QEMU microvm, KVM', flags: ['--vmm', 'qemu', '--accel', 'kvm'] },
  { name: 'Firecracker', flags: ['--vmm', 'firecracker'] },
  { name: 'Cloud Hypervisor', flags: ['--vmm', 'cloud-hypervisor'] },
  { name: 'User-Mode Linux', flags: ['--vmm', 'uml'] },
];

/** What Shale itself does before and after the machine works; the rest of a launch is VMM, kernel and init. */
const own = ['start of Shale', 'image', 'kernel and hypervisor', 'directory and disks'];

const command = ['echo', '@marker'];

interface Launch {
  /** The first byte of the command's output. */
  readonly output: number;
  readonly total: number;
  readonly steps: ReadonlyMap<string, number>;
}

/** Runs the same command in new zones; the marker in its output is the command's first doing. */
export function runCommand(lab: Lab, flags: readonly string[], words: readonly string[]): Promise<Run> {
  return lab.time('run', '--rm', '--times', ...flags, images.tiny, '--', ...words);
}

async function launchOnce(lab: Lab, flags: readonly string[]): Promise<Launch> {
  const run = await runCommand(lab, flags, command);
  const output = run.lines.find(({ text }) => text === '@marker')?.at;
  if (run.status !== 0 || output === undefined) throw new Error(complaintOf(run));
  return { output, total: run.total, steps: readSteps(run.stderr) };
}

function readSteps(stderr: string): ReadonlyMap<string, number> {
  const rows = stderr.split('\n').map(line => /^(\S.*?)\s{2,}([\d.]+) ms$/.exec(line));
  return new Map(rows.filter(row => row !== null).map(([, name, time]) => [name!, Number(time)]));
}

/** The machines that a command ran on, and why the others are left out. Their caches are warm then. */
export async function findMachines(
  lab: Lab,
): Promise<{ readonly usable: readonly Machine[]; readonly reasons: readonly string[] }> {
  const usable: Machine[] = [];
  const reasons: string[] = [];
  for (const machine of machines) {
    const limit = machine.hand === undefined ? ['--boot-timeout', '6s'] : [];
    const run = await runCommand(lab, [...machine.flags, ...limit], command);
    if (run.status === 0) usable.push(machine);
    else reasons.push(`${machine.name}: ${complaintOf(run)}`);
  }
  return { usable, reasons };
}

interface Contender {
  readonly name: string;
  readonly once: () => Promise<Launch>;
  readonly launches: Launch[];
  /** By what name its peer by hand goes. */
  readonly peer?: string | undefined;
}

/** Cold and warm on each machine and QEMU by hand, each once a round. */
export async function raceLaunches(
  lab: Lab,
  usable: readonly Machine[],
  { rounds, image }: { readonly rounds: number; readonly image: string },
): Promise<{ readonly sections: readonly Section[]; readonly commands: readonly string[] }> {
  const contenders: Contender[] = [];
  const notes: string[] = [];
  const commands: string[] = [];
  for (const { name, flags, hand } of usable) {
    const add = (suffix: string, once: () => Promise<Launch>, peer?: string) =>
      contenders.push({ name: `${name}, ${suffix}`, once, launches: [], peer });
    const byHand = hand && (await Hand.create(lab, { image, machine: hand }));
    const plain = async (run: Promise<HandRun>): Promise<Launch> => ({ ...(await run), steps: new Map() });
    if (byHand) {
      commands.push(byHand.command.map(word => (/[ ,]/.test(word) ? `'${word}'` : word)).join(' '));
      add('by hand', () => plain(byHand.cold()));
    }
    add('cold', () => launchOnce(lab, flags), byHand && `${name}, by hand`);
    const warm = await runCommand(lab, [...flags, '--warm'], command);
    if (warm.status !== 0 || /cannot save/.test(warm.stderr)) {
      notes.push(`${name}: not warm: ${complaintOf(warm)}`);
      continue;
    }
    if (byHand) add('by hand, saved state', () => plain(byHand.warm()));
    add('warm', () => launchOnce(lab, [...flags, '--warm']), byHand && `${name}, by hand, saved state`);
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { name, once, launches } of contenders) {
      try {
        const launch = await once();
        // The first round fills caches.
        if (round > 0) launches.push(launch);
      } catch (error) {
        notes.push(`${name}: round ${round}: ${(error as Error).message.slice(0, 200)}`);
      }
    }
    process.stderr.write(`launches: round ${round} of ${rounds}\n`);
  }
  return { sections: [overview(contenders, notes), breakdown(contenders)], commands };
}

function overview(contenders: readonly Contender[], notes: readonly string[]): Section {
  const head = ['', 'until output, ms', 'until the end, ms', 'more than by hand, ms', 'of it Shale’s own'];
  const middle = (name: string | undefined) =>
    median(contenders.find(each => each.name === name)?.launches.map(({ output }) => output) ?? []);
  const rows = contenders.map(({ name, launches, peer }) => {
    const more = median(launches.map(({ output }) => output)) - middle(peer);
    const mine = median(launches.map(({ steps }) => sum(own.map(step => steps.get(step) ?? Number.NaN))));
    return [
      name,
      spread(launches.map(({ output }) => output)),
      spread(launches.map(({ total }) => total)),
      Number.isNaN(more) ? '–' : more.toFixed(0),
      Number.isNaN(mine) ? '–' : mine.toFixed(0),
    ];
  });
  return { title: 'Launch to the first byte of the command’s output', notes, table: [head, ...rows] };
}

/** A column for each step of `--times`; what they do not have in common is empty. */
function breakdown(contenders: readonly Contender[]): Section {
  const ours = contenders.filter(({ launches }) => (launches[0]?.steps.size ?? 0) > 0);
  const names = [...new Set(ours.flatMap(({ launches }) => [...launches[0]!.steps.keys()]))];
  const steps = names.filter(name => !name.startsWith('total'));
  const rows = ours.map(({ name, launches }) => [
    name,
    ...steps.map(step => {
      const times = launches.map(launch => launch.steps.get(step)).filter(time => time !== undefined);
      return times.length === 0 ? '–' : median(times).toFixed(0);
    }),
    median(
      launches.map(({ steps, output }) => output - (steps.get('total') ?? steps.get('total, warm') ?? 0)),
    ).toFixed(0),
  ]);
  return { title: 'Step by step, ms', table: [['', ...steps, 'until its output'], ...rows] };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
