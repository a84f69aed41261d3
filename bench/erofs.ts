import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  changeLayer,
  convertImage,
  convertLayer,
  indexTars,
  mergeCached,
  shale,
  unusedFollower,
} from './erofs/contenders.ts';
import { mergeInProcess } from './erofs/in-process.ts';
import { createFollowers } from './erofs/layout.ts';
import {
  erofs,
  type Mountable,
  middle,
  overlay,
  readAll,
  readings,
  stackMounts,
  tabulateReadings,
  throughLoop,
} from './erofs/mounted.ts';
import { type Contender, race, tabulate } from './erofs/race.ts';
import { unpackLayers } from './erofs/unpack.ts';
import { type BenchImage, provideImage } from './image.ts';
import { run } from './pull/packages.ts';
import { formatTable } from './pull/report.ts';

/**
 * `npm run bench:erofs`, as root: images as EROFS in all forms, beside mkfs.erofs and GNU tar, and what reads from the mounted results
 * cost. The directory in SHALE_EROFS_TOOLS has a mkfs.erofs of 1.8.5 or later (not 1.8.7 nor 1.8.8); without it the machine's own must
 * be one. The images are made of the machine's own files (bench/image.ts).
 *
 *     --rounds N        after one that warms up; the tables show medians (default 5)
 *     --only A,B        layer, image, changed, merged, tar, mounted
 *     --bytes N         size of the images, uncompressed (default 1.05e9)
 *     --scratch DIR     some 10 GB (default: the temporary directory; on the filesystem of the images, which lie there)
 *     --markdown        tables as they stand in BENCHMARK.md
 */
const sections = ['layer', 'image', 'changed', 'merged', 'tar', 'mounted'] as const;
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: sections.join() },
    bytes: { type: 'string', default: '1050000000' },
    scratch: { type: 'string', default: os.tmpdir() },
    markdown: { type: 'boolean', default: false },
  },
});
if (process.geteuid?.() !== 0) throw new Error('mounts need root, and so do owners');
const rounds = Number(values.rounds);
const chosen = values.only.split(',');
for (const each of chosen) {
  if (!sections.some(section => section === each)) throw new Error(`--only takes ${sections.join()}`);
}
const wants = (section: (typeof sections)[number]) => chosen.includes(section);
const mkfs = process.env.SHALE_EROFS_TOOLS
  ? path.join(process.env.SHALE_EROFS_TOOLS, 'mkfs.erofs')
  : 'mkfs.erofs';

const scratch = mkdtempSync(path.join(values.scratch, 'shale-erofs-'));
try {
  console.log(machine());
  const stack = await provideImage('stack', 'gzip', Number(values.bytes));
  describe('the image', stack);
  const followers = {
    directory: path.join(scratch, 'followers'),
    cache: path.join(scratch, 'cache'),
    rounds,
  };
  if (wants('changed') || wants('merged')) {
    // Two forms more, each with a round that warms up: those of mergeInProcess.
    const count = unusedFollower(rounds) + 2 * (rounds + 1);
    await createFollowers(stack, followers.directory, count);
  }
  if (wants('layer')) {
    const merged = await provideImage('merged', 'gzip', Number(values.bytes));
    describe('the layer', merged);
    compete('One large layer', convertLayer(merged, mkfs), ['mkfs.erofs', 'tar -x']);
  }
  if (wants('image')) {
    compete('An image, all forms', convertImage(stack, mkfs), ['mkfs.erofs', 'mkfs.erofs, two at once']);
  }
  if (wants('tar')) {
    const references = ['inflate and write, two at once', 'inflate and write'];
    compete('Tars as they are', indexTars(stack, mkfs), references);
  }
  if (wants('changed')) compete('Another top layer', changeLayer(stack, followers), ['shale, layers, all']);
  if (wants('merged')) {
    compete('Layers cached, merged anew', mergeCached(stack, followers, mkfs), [
      'shale, layers, merged, all',
    ]);
    const results = await mergeInProcess(stack, followers, unusedFollower(rounds), scratch);
    const [whole] = results;
    show('The same in a process that runs already', [
      ['', 'seconds', 'range', `÷ ${whole!.name}`],
      ...results.map(({ name, seconds }) => [
        name,
        middle(seconds).toFixed(3),
        `${Math.min(...seconds).toFixed(3)}–${Math.max(...seconds).toFixed(3)}`,
        (middle(seconds) / middle(whole!.seconds)).toFixed(3),
      ]),
    ]);
  }
  if (wants('mounted')) read(stack);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function compete(title: string, contenders: readonly Contender[], references: readonly string[]): void {
  const results = race(contenders, rounds, scratch);
  show(title, tabulate(results, references));
  for (const { contender, failure } of results) {
    if (failure !== undefined) console.log(`\n${contender.name}: ${failure}`);
  }
  console.log('\nThe command lines:\n');
  for (const { name, command } of contenders) {
    console.log(`    ${name}: ${command('N').replaceAll(shale, 'shale').replaceAll(scratch, 'SCRATCH')}`);
  }
}

function read(image: BenchImage): void {
  const source = `oci:${image.directory}`;
  const made = path.join(scratch, 'made');
  const make = (...words: string[]) =>
    run('bash', ['-c', `${shale} render ${source} ${words.join(' ')} --quiet`]);
  const mountables: Mountable[] = [];
  const attempt = (what: string, provide: () => readonly Mountable[]) => {
    try {
      mountables.push(...provide());
    } catch (error) {
      console.log(`${what} is left out: ${(error as Error).message}`);
    }
  };
  run('mkdir', [made]);
  const reference = 'overlay of directories (ext4)';
  attempt('directories', () => [overlay(reference, unpackLayers(image, path.join(made, 'directories')))]);
  attempt('squashfs', () => {
    make(`${made}/zstd.sqfs --compression zstd`);
    return [throughLoop('squashfs, zstd', 'squashfs', `${made}/zstd.sqfs`)];
  });
  for (const compression of ['none', 'lz4', 'zstd']) {
    attempt(`flat, ${compression}`, () => {
      const file = `${made}/${compression}.erofs`;
      make(`${file} --compression ${compression}`);
      const name = compression === 'none' ? 'flat' : `flat, ${compression}`;
      return [
        erofs(name, file),
        ...(compression === 'none' ? [throughLoop('flat, through a loop device', 'erofs', file)] : []),
      ];
    });
  }
  for (const form of ['layers', 'tar-index']) {
    attempt(form, () => {
      const root = `--root ${scratch}/mounted-cache`;
      for (const merged of ['', ' --merged'])
        make(`${made}/${form}${merged.trim()} --${form}${merged} ${root}`);
      return [
        ...stackMounts(form, `${made}/${form}`),
        ...stackMounts(form, `${made}/${form}--merged`),
      ].filter(({ name }, index, all) => all.findIndex(each => each.name === name) === index);
    });
  }
  const results = readAll(mountables, Math.min(rounds, 3), scratch);
  show(`Reading all of it, seconds (beside the ${reference})`, tabulateReadings(results, reference));
  console.log('\nThe command lines:\n');
  for (const { name, manual } of mountables) console.log(`    ${name}: ${manual}`);
  for (const [name, command] of Object.entries(readings)) console.log(`    ${name}: ${command}`);
  for (const { mountable, failure } of results) {
    if (failure !== undefined) console.log(`\n${mountable.name}: ${failure}`);
  }
  const listings = results.flatMap(({ mountable: { name }, listing }) =>
    listing ? [{ name, listing }] : [],
  );
  const isSame = new Set(listings.map(({ listing }) => listing.digest)).size === 1;
  if (isSame) {
    const { entries, bytes } = listings[0]!.listing;
    console.log(`\nAll list the same ${entries} entries, ${bytes} bytes of files.`);
  } else {
    console.log('\nNot the same root filesystem:');
    for (const { name, listing } of listings) console.log(`    ${name}: ${JSON.stringify(listing)}`);
  }
  if (!isSame || listings.length < results.length) process.exitCode = 1;
}

function show(title: string, table: string[][]): void {
  console.log(`\n${title}\n\n${formatTable(table, values.markdown)}`);
}

function describe(name: string, { layers, entries, bytes, blobBytes }: BenchImage): void {
  const megabytes = (count: number) => (count / 1e6).toFixed(0);
  console.log(
    `${name}: ${layers} layers, ${entries} entries, ${megabytes(bytes)} MB in ${megabytes(blobBytes)} MB of gzip`,
  );
}

function machine(): string {
  const cpus = os.cpus();
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const first = (program: string, ...args: string[]) => {
    try {
      return run(program, args).split('\n', 1)[0]!;
    } catch {
      return `no ${path.basename(program)}`;
    }
  };
  const filesystem = first('findmnt', '-n', '-o', 'FSTYPE', '-T', values.scratch);
  const debian = readFileSync('/etc/debian_version', 'utf8').trim();
  return [
    `${cpus.length} x ${cpus[0]?.model ?? 'unknown CPU'}, ${memory} GiB, ${os.type()} ${os.release()}, Debian ${debian}`,
    `Node ${process.version}, ${first(mkfs, '--version')}, ${first('tar', '--version')}, scratch on ${filesystem}`,
  ].join(', ');
}
