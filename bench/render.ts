import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { floorParts } from './floor.ts';
import { type BenchImage, provideImage, type Recipe, recipes } from './image.ts';
import { type Cost, isInstalled, measure, median } from './measure.ts';

/**
 * `npm run bench`: Shale beside the chains of C programs that do the same, in one run, turn by turn, on the same content:
 * gzip layers to squashfs with zstd level 3. The programs that read a tar read one; they get the root filesystem as a
 * single layer (`merged`), and Shale runs on that image as well as on the one of several layers. Shale alone verifies
 * digests and diffIDs, and applies whiteouts. The floor is what its unavoidable steps cost on all cores.
 *
 *     --runs N          rounds; the table shows the median (default 5)
 *     --bytes N         size of the image, uncompressed (default 1.05e9)
 *     --recipe NAME     Shale alone on another image of bench/image.ts: small, layers, huge, hidden
 *     --compression C   of that image's layers: gzip, zstd, none
 */
interface Contender {
  readonly name: string;
  /** The programs that it takes. */
  readonly needs: readonly string[];
  readonly command: string;
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    bytes: { type: 'string', default: '1050000000' },
    recipe: { type: 'string' },
    compression: { type: 'string', default: 'gzip' },
  },
});
const shale = `${process.execPath} ${path.join(import.meta.dirname, '..', 'bin', 'shale.js')}`;
const output = 'out.sqfs';
const render = (image: BenchImage) =>
  `${shale} render oci:${image.directory} ${output} --compression zstd --level 3 --quiet`;

console.log(machine());
const contenders = values.recipe === undefined ? await createRace() : await createSolo(values.recipe);
const results = race(contenders, Number(values.runs));
print(results);
const complaint = judge(results);
if (complaint !== undefined) {
  console.log(`\n${complaint}`);
  process.exitCode = 1;
}

async function createRace(): Promise<readonly Contender[]> {
  const bytes = Number(values.bytes);
  const several = await provideImage('machine', 'gzip', bytes);
  const merged = await provideImage('merged', 'gzip', bytes);
  describe('several layers', several);
  describe('one layer', merged);
  const layer = path.join(merged.directory, 'blobs', 'sha256', findLayer(merged));
  const floor = await floorParts(layer, os.availableParallelism());
  return [
    { name: 'shale, several layers', needs: [], command: render(several) },
    { name: 'shale, one layer', needs: [], command: render(merged) },
    {
      name: 'floor (see floor.ts)',
      needs: [],
      command: `touch ${output}; ${process.execPath} ${path.join(import.meta.dirname, 'floor.ts')} ${floor.join(' ')}`,
    },
    {
      name: 'igzip | tar2sqfs',
      needs: ['igzip', 'tar2sqfs'],
      command: `igzip -dc < ${layer} | tar2sqfs -q -f -c zstd -X level=3 ${output}`,
    },
    {
      // Which is sqfstar: by that name 4.5.1 misreads the level (plougher/squashfs-tools issue 191).
      name: 'gzip | mksquashfs -tar',
      needs: ['gzip', 'mksquashfs'],
      command: `gzip -dc < ${layer} | mksquashfs - ${output} -tar -comp zstd -Xcompression-level 3 -no-progress -quiet`,
    },
    {
      name: 'umoci && mksquashfs',
      needs: ['umoci', 'mksquashfs'],
      command: [
        `umoci unpack ${process.geteuid?.() === 0 ? '' : '--rootless '}--image ${several.directory}:latest bundle`,
        `mksquashfs bundle/rootfs ${output} -comp zstd -Xcompression-level 3 -no-progress -quiet`,
      ].join(' && '),
    },
  ];
}

async function createSolo(name: string): Promise<readonly Contender[]> {
  const recipe = recipes.find(each => each === name) as Recipe | undefined;
  if (recipe === undefined) throw new Error(`--recipe is one of ${recipes.join(', ')}`);
  const image = await provideImage(recipe, values.compression as 'gzip', Number(values.bytes));
  describe(recipe, image);
  return [{ name: `shale, ${recipe}`, needs: [], command: render(image) }];
}

interface Result extends Contender {
  readonly missing: readonly string[];
  readonly costs: Cost[];
  bytes: number;
}

/** Every contender once a round, so that what the machine does besides strikes all alike. The first round warms up. */
function race(contenders: readonly Contender[], rounds: number): readonly Result[] {
  const results: Result[] = contenders.map(contender => ({
    ...contender,
    missing: contender.needs.filter(program => !isInstalled(program)),
    costs: [],
    bytes: Number.NaN,
  }));
  for (let round = rounds === 1 ? 1 : 0; round <= rounds; round++) {
    for (const result of results) {
      if (result.missing.length > 0) continue;
      const directory = mkdtempSync(path.join(os.tmpdir(), 'shale-race-'));
      try {
        // What the one before has left to be written must not be paid for by this one.
        spawnSync('sync');
        const cost = measure(result.command, directory);
        if (round > 0) result.costs.push(cost);
        result.bytes = statSync(path.join(directory, output)).size;
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
    process.stderr.write(`round ${round} of ${rounds}\n`);
  }
  return results;
}

function print(results: readonly Result[]): void {
  console.log(`\nmedian of ${values.runs} interleaved runs, after one that warms up\n`);
  const heads = ['', 'seconds', '(range)', 'ratio', 'CPU s', 'user', 'sys', 'peak MiB', 'output MB'];
  const ours = results.find(({ costs }) => costs.length > 0);
  const rows = results.map(({ name, costs, missing, bytes }) => {
    if (costs.length === 0) return [name, `not installed: ${missing.join(', ')}`];
    const { seconds, user, system, peakMemory } = median(costs);
    const all = costs.map(cost => cost.seconds);
    return [
      name,
      seconds.toFixed(2),
      `${Math.min(...all).toFixed(2)}-${Math.max(...all).toFixed(2)}`,
      (seconds / median(ours!.costs).seconds).toFixed(2),
      (user + system).toFixed(2),
      user.toFixed(2),
      system.toFixed(2),
      peakMemory === undefined ? '-' : (peakMemory / 1_048_576).toFixed(0),
      (bytes / 1e6).toFixed(1),
    ];
  });
  for (const row of [heads, ...rows]) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(23) : cell.padStart(column === 2 ? 12 : 10)))
        .join(''),
    );
  }
  console.log('\nPeak memory is of the largest single process. The command lines:');
  for (const { name, command } of results) console.log(`  ${name}:\n    ${command}`);
}

/** Sizes within 2 % of mksquashfs; speed is for the reader of the table to judge. */
function judge(results: readonly Result[]): string | undefined {
  const peer = results.find(({ needs }) => needs.includes('mksquashfs'))?.bytes ?? Number.NaN;
  const large = results.filter(({ needs, bytes }) => needs.length === 0 && bytes > 1.02 * peer);
  if (large.length === 0) return undefined;
  return `More than 2 % larger than mksquashfs: ${large.map(({ name, bytes }) => `${name} ${((bytes / peer - 1) * 100).toFixed(1)} %`).join(', ')}`;
}

function describe(name: string, image: BenchImage): void {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  console.log(
    `${name}: ${image.layers} layers, ${image.entries} entries, ${megabytes(image.bytes)} MB in ${megabytes(image.blobBytes)} MB`,
  );
}

function findLayer({ directory }: BenchImage): string {
  const read = (digest: string) =>
    JSON.parse(readFileSync(path.join(directory, 'blobs', 'sha256', digest.replace('sha256:', '')), 'utf8'));
  const { manifests } = JSON.parse(readFileSync(path.join(directory, 'index.json'), 'utf8'));
  return read(manifests[0].digest).layers[0].digest.replace('sha256:', '');
}

function machine(): string {
  const cpus = os.cpus();
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const model = cpus[0]?.model ?? 'unknown CPU';
  return `${cpus.length} x ${model}, ${memory} GiB, ${os.type()} ${os.release()}, Node ${process.version}`;
}
