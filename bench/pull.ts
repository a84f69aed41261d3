import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isInstalled } from './measure.ts';
import { provideImages, storageOf } from './pull/build.ts';
import { contenders } from './pull/contender.ts';
import { run } from './pull/packages.ts';
import { race, type Turn } from './pull/race.ts';
import { type Recipe, recipes } from './pull/recipe.ts';
import { startRegistry } from './pull/registry.ts';
import { createTables, findDifferences, formatTable } from './pull/report.ts';

/**
 * `npm run bench:pull`, as root: from nothing to a mountable root filesystem, with `shale pull` and with what else does that,
 * each from one local registry, into a state that is empty at first. Needs Debian's docker-registry, skopeo, docker.io,
 * containerd, umoci, squashfs-tools, and its package archive for the images of bench/pull/recipe.ts.
 *
 *     --build           only makes the images (some ten minutes, once); `nice` is in order
 *     --cache DIR       where they are kept, 10 GB (default: SHALE_BENCH_CACHE, or shale-bench-pull in the temporary directory)
 *     --rounds N        (default 3; the chain of skopeo, umoci and mksquashfs runs in the first only)
 *     --images A,B      of bench/pull/recipe.ts
 *     --only A,B        contenders whose names begin so: shale,docker,ctr,skopeo
 *     --markdown        tables as they stand in BENCHMARK.md
 *     --json FILE       every turn
 */
const { values } = parseArgs({
  options: {
    build: { type: 'boolean', default: false },
    cache: {
      type: 'string',
      default: process.env.SHALE_BENCH_CACHE ?? path.join(os.tmpdir(), 'shale-bench-pull'),
    },
    rounds: { type: 'string', default: '3' },
    images: { type: 'string' },
    only: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const cache = path.resolve(values.cache);
/** Pulled only after the image whose layers it shares. */
const followers = new Map<Recipe, Recipe>([['torch', 'torch-next']]);

const images = await provideImages(cache, recipes);
if (!values.build) await compare();

async function compare(): Promise<void> {
  if (process.geteuid?.() !== 0) throw new Error('container engines and mounts need root');
  const follow = [...followers.values()];
  const chosen = values.images?.split(',') ?? recipes.filter(recipe => !follow.includes(recipe));
  const racing = contenders.filter(
    ({ name }) => values.only?.split(',').some(each => name.startsWith(each)) ?? true,
  );
  const missing = ['docker-registry', ...racing.flatMap(({ needs }) => needs)].filter(
    each => !isInstalled(each),
  );
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);

  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  const scratch = mkdtempSync(path.join(cache, 'race-'));
  const turns: Turn[] = [];
  try {
    await using registry = await startRegistry(storageOf(cache), path.join(scratch, 'registry'));
    for await (const turn of race({
      registry,
      contenders: racing,
      images: chosen,
      followers,
      rounds: Number(values.rounds),
      scratch,
      signal: interrupted.signal,
    })) {
      turns.push(turn);
      const { round, image, contender, cost } = turn;
      process.stderr.write(
        `round ${round + 1} of ${values.rounds}  ${image}  ${contender}  ${cost.seconds.toFixed(1)} s\n`,
      );
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(turns, undefined, 1));
  print(turns);
}

function print(turns: readonly Turn[]): void {
  console.log(machine());
  for (const { title, table } of createTables(
    turns,
    images.filter(({ name }) => turns.some(turn => turn.image === name)),
  )) {
    console.log(`\n${title}\n\n${formatTable(table, values.markdown)}`);
  }
  console.log('\nThe command lines:\n');
  for (const { manual } of contenders) for (const line of manual) console.log(`    ${line}`);
  const differences = findDifferences(turns);
  if (differences.length === 0) return;
  console.log(`\nNot the same root filesystem:\n${differences.join('\n')}`);
  process.exitCode = 1;
}

function machine(): string {
  const cpus = os.cpus();
  const memory = (os.totalmem() / 2 ** 30).toFixed(0);
  const versions = [
    'docker.io',
    'containerd',
    'docker-registry',
    'skopeo',
    'umoci',
    'squashfs-tools',
    'pigz',
  ];
  const packages = run('sh', [
    '-c',
    `dpkg-query -W -f '\${Package} \${Version}, ' ${versions.join(' ')} 2>/dev/null || true`,
  ]);
  return `${cpus.length} x ${cpus[0]?.model ?? 'unknown CPU'}, ${memory} GiB, ${os.type()} ${os.release()}, ${packages}Node ${process.version}`;
}
