import { mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './pull/packages.ts';
import { formatTable } from './pull/report.ts';
import { measureExec } from './zone/exec.ts';
import { measureReads, measureWrites } from './zone/files.ts';
import { images, provideImages } from './zone/images.ts';
import { Lab, type Section } from './zone/lab.ts';
import { findMachines, raceLaunches } from './zone/launch.ts';
import { measureMemory } from './zone/memory.ts';
import { measureNode } from './zone/node.ts';

/**
 * `npm run bench:zone`: zones on each hypervisor that works here, cold and warm, beside QEMU started by hand with the same
 * kernel and flags. Needs Debian's qemu-system-x86, busybox-static, gcc with libc6-dev (the init by hand), e2fsprogs, and
 * mmdebstrap for the image of Debian; the first time the kernel, with apt.
 *
 *     --quick           few rounds and the small image only, some three minutes
 *     --rounds N        of the launches (default 9; with --quick 3)
 *     --only A,B        launches, exec, memory, writes, reads, node
 *     --cache DIR       images and kernel (default: SHALE_BENCH_ZONE, or shale-bench-zone in the temporary directory)
 *     --kernel FILE     a package of the kernel, in place of apt's
 *
 * Tables as they stand in BENCHMARK.md. Times are the host's: from the start of the process that a user starts.
 */
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    cache: {
      type: 'string',
      default: process.env.SHALE_BENCH_ZONE ?? path.join(os.tmpdir(), 'shale-bench-zone'),
    },
    kernel: { type: 'string' },
  },
});
const { quick } = values;
const rounds = Number(values.rounds ?? (quick ? 3 : 9));
const chosen = values.only?.split(',');
const wants = (part: string) => chosen?.includes(part) ?? true;

mkdirSync(values.cache, { recursive: true });
const lab = new Lab(path.resolve(values.cache));
if (findKernels().length === 0) {
  lab.shale('zone', 'kernel', 'install', '--quiet', ...(values.kernel ? [values.kernel] : []));
}
const there = await provideImages(lab, quick ? ['tiny', 'node'] : ['tiny', 'node', 'debian']);
const image = path.join(lab.directory, 'tiny.sqfs');
lab.shale('render', '--quiet', images.tiny, image);

const { usable, reasons } = await findMachines(lab);
const [first] = usable;
console.log(describeMachine());
for (const reason of reasons) console.log(`\nLeft out: ${reason}`);
if (first === undefined) throw new Error('no hypervisor works here: shale doctor');
const commands: string[] = [];

if (wants('launches')) {
  const { sections, commands: byHand } = await raceLaunches(lab, usable, { rounds, image });
  sections.forEach(print);
  commands.push(...byHand);
}
if (wants('exec')) print(await measureExec(lab, usable, rounds));
if (wants('memory')) print(await measureMemory(lab, [first], 3));
if (wants('writes')) print(await measureWrites(lab, first, quick ? 1 : 3));
if (wants('reads')) {
  const large = there.has('debian') ? images.debian : images.tiny;
  print(await measureReads(lab, first, { rounds: quick ? 1 : 2, image: large }));
}
if (wants('node')) print(await measureNode(lab, [first], quick ? 1 : 3));

if (commands.length > 0) {
  console.log('\nBy hand, with the init of bench/zone/hand.c:\n');
  for (const line of commands) console.log(`    ${line.replaceAll(lab.directory, 'CACHE')}`);
}

function print({ title, notes = [], table }: Section): void {
  console.log(`\n${[`${title}:`, ...notes].join('\n')}\n\n${formatTable(table, true)}`);
}

function findKernels(): readonly { readonly name: string }[] {
  return JSON.parse(lab.shale('zone', 'kernel', 'ls', '--json')).kernels;
}

function describeMachine(): string {
  const cpus = os.cpus();
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const packages = ['qemu-system-x86', 'user-mode-linux', 'busybox-static'];
  const versions = run('sh', [
    '-c',
    `dpkg-query -W -f '\${Package} \${Version}, ' ${packages.join(' ')} 2>/dev/null || true`,
  ]);
  const kernel = findKernels()[0]?.name ?? 'no kernel';
  return `${cpus.length} x ${cpus[0]?.model ?? 'unknown CPU'}, ${memory} GiB, ${os.type()} ${os.release()}, ${versions}${kernel}, Node ${process.version}; ${rounds} rounds after one that fills caches, medians and (least–most)`;
}
