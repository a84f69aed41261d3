import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createFilesystem, describeFilesystem } from './drivers/filesystem.ts';
import { type BenchImage, provideImage, type Recipe, recipes } from './image.ts';
import { type Cost, isInstalled, measure, median } from './measure.ts';
import { cpuSeconds, startDaemon } from './pull/daemon.ts';
import { formatTable } from './pull/report.ts';

/**
 * `npm run bench:unpack`, as root: layers of an OCI layout into snapshots, beside programs that do the same, turn by turn. Each turn has a new ext4
 * filesystem, and ends when all is on its disk. Shale, umoci, podman and containerd verify digests, tar does not; podman and containerd copy the blobs, too.
 *
 *     --rounds N        figures are medians (default 5)
 *     --recipe A,B      images of bench/image.ts (default: stack,small)
 *     --bytes N         size of `stack`, uncompressed (default 1.05e9)
 *     --only A,B        contenders whose name has one of these in it
 *     --scratch DIR     8 GB (default: the temporary directory)
 */
interface Contender {
  readonly name: string;
  readonly needs: readonly string[];
  /** Of an image, into an empty directory. */
  command(image: BenchImage, directory: string): string;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    recipe: { type: 'string', default: 'stack,small' },
    bytes: { type: 'string', default: '1050000000' },
    only: { type: 'string', default: '' },
    scratch: { type: 'string', default: os.tmpdir() },
  },
});
if (process.geteuid?.() !== 0) throw new Error('mounts need root');
const shale = `${process.execPath} ${path.join(import.meta.dirname, '..', 'bin', 'shale.js')}`;
const filesystemBytes = 8 * 2 ** 30;

const prepare =
  (driver: string): Contender['command'] =>
  (image, directory) =>
    `${shale} snapshot prepare bench oci:${image.directory} --driver ${driver} --root ${directory} --quiet`;

const all: readonly Contender[] = [
  { name: 'shale, overlayfs', needs: [], command: prepare('overlayfs') },
  { name: 'shale, erofs', needs: [], command: prepare('erofs') },
  {
    name: 'tar, layer by layer',
    needs: ['tar'],
    command: (image, directory) =>
      layersOf(image)
        .map((blob, layer) => {
          const place = path.join(directory, String(layer));
          return `mkdir ${place} && tar --xattrs --xattrs-include='*' -xpzf ${blob} -C ${place}`;
        })
        .join(' && '),
  },
  {
    name: 'umoci unpack',
    needs: ['umoci'],
    command: (image, directory) => `umoci unpack --image ${image.directory}:latest ${directory}/bundle`,
  },
  {
    name: 'podman pull',
    needs: ['podman'],
    command: (image, directory) =>
      `podman --root ${directory}/root --runroot ${directory}/run --storage-driver overlay pull --quiet oci:${image.directory}:latest`,
  },
  {
    name: 'ctr images import',
    needs: ['containerd', 'ctr', 'tar'],
    command: (image, directory) =>
      `tar -C ${image.directory} -c --exclude bench.json . | ctr --address ${directory}/c.sock images import --base-name bench --snapshotter overlayfs -`,
  },
];

const parts = values.only.split(',');
const chosen = all.filter(({ name }) => parts.some(part => name.includes(part)));
const contenders = chosen.filter(({ name, needs }) => {
  const missing = needs.filter(program => !isInstalled(program));
  if (missing.length > 0) console.log(`without ${name}: no ${missing.join(', ')}`);
  return missing.length === 0;
});
// What is mounted is unmounted first; programs that were running have heard it themselves.
let isInterrupted = false;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    isInterrupted = true;
  });
}
const cpus = os.cpus();
console.log(
  `${cpus.length} × ${cpus[0]?.model}, ${os.type()} ${os.release()}, Node ${process.version}, ${new Date().toISOString()}`,
);
console.log(`each turn: ${describeFilesystem('ext4')}; COMMAND && sync -f DIR`);
for (const name of values.recipe.split(',')) {
  const recipe = recipes.find(each => each === name);
  if (recipe === undefined) throw new Error(`--recipe: there are ${recipes.join(', ')}`);
  await race(recipe, await provideImage(recipe, 'gzip', Number(values.bytes)));
}

async function race(recipe: Recipe, image: BenchImage): Promise<void> {
  const costs = new Map<Contender, Cost[]>(contenders.map(each => [each, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [contender, found] of costs) {
      process.stderr.write(`${recipe}, round ${round + 1}: ${contender.name}\n`);
      found.push(await turn(contender, image));
      await setImmediate();
      if (isInterrupted) throw new Error('interrupted; nothing is left mounted');
    }
  }
  const [own, ...others] = [...costs].map(([contender, found]) => ({ contender, cost: median(found) }));
  if (own === undefined) return;
  const cpu = ({ user, system }: Cost) => user + system;
  const rows = [own, ...others].map(({ contender, cost }) => [
    contender.name,
    cost.seconds.toFixed(2),
    (cost.seconds / own.cost.seconds).toFixed(2),
    cpu(cost).toFixed(2),
    (cpu(cost) / cpu(own.cost)).toFixed(2),
    cost.peakMemory === undefined ? '' : (cost.peakMemory / 2 ** 20).toFixed(0),
  ]);
  console.log(`\n${recipe}: ${layersOf(image).length} layers`);
  console.log(formatTable([['', 'seconds', '÷ shale', 'CPU', '÷ shale', 'MiB'], ...rows], false));
  for (const { name, command } of contenders) {
    const [line] = command(image, 'DIR').split(' && mkdir DIR/1');
    console.log(`${name}: ${line?.replaceAll(image.directory, 'IMAGE').replace(shale, 'shale')}`);
  }
}

async function turn(contender: Contender, image: BenchImage): Promise<Cost> {
  using filesystem = createFilesystem('ext4', filesystemBytes, values.scratch);
  const place = path.join(filesystem.path, 'd');
  mkdirSync(place);
  const command = `{ ${contender.command(image, place)}; } && sync -f ${place}`;
  // What one leaves unwritten is not the next one's to wait for.
  spawnSync('sync');
  if (!contender.needs.includes('containerd')) return measure(command, place);
  const configuration = mkdtempSync(path.join(os.tmpdir(), 'shale-unpack-'));
  try {
    const file = path.join(configuration, 'containerd.toml');
    writeFileSync(file, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    const socket = path.join(place, 'c.sock');
    await using daemon = await startDaemon(
      'containerd',
      [
        ...['--config', file, '--address', socket],
        ...['--root', path.join(place, 'root'), '--state', path.join(place, 'state')],
      ],
      path.join(configuration, 'log'),
      () => spawnSync('ctr', ['--address', socket, 'version'], { stdio: 'ignore' }).status === 0,
    );
    const before = cpuSeconds(daemon.process.pid!);
    const cost = measure(command, place);
    const more = cpuSeconds(daemon.process.pid!) - before;
    return { ...cost, user: cost.user + more, peakMemory: undefined };
  } finally {
    rmSync(configuration, { recursive: true, force: true });
  }
}

function layersOf({ directory }: BenchImage): string[] {
  const blob = (digest: string) => path.join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length));
  const index = JSON.parse(readFileSync(path.join(directory, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[];
  };
  const manifest = JSON.parse(readFileSync(blob(index.manifests[0]!.digest), 'utf8')) as {
    layers: { digest: string }[];
  };
  return manifest.layers.map(({ digest }) => blob(digest));
}
