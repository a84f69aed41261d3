import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { createFile, createItem, type Item, type Items } from '../item.ts';
import { writeLayout } from '../layout.ts';
import { createItems, type Found, listTree } from '../machine.ts';
import { run } from '../pull/packages.ts';
import type { Lab } from './lab.ts';

/** Sizes of the files that copy-up is measured with: bytes, by the names that they have below /data. */
export const sizes = { '4k': 4096, '64k': 65_536, '1m': 1_048_576, '16m': 16_777_216, '64m': 67_108_864 };

/** Names in the lab's cache. */
export const images = {
  /** Debian's static busybox, and files of /data. */
  tiny: 'cache:bench-tiny:1',
  /** This Node with the libraries that it has loaded, and busybox. */
  node: 'cache:bench-node:1',
  /** Debian, `mmdebstrap --variant=minbase`: some 150 MB in 7000 files. */
  debian: 'cache:bench-debian:1',
} as const;

const staticBusybox = '/bin/busybox';
const applets =
  'cat date dd du echo env find head ls mkdir rm sh sha256sum sleep stat sync tail tar true wc xargs'.split(
    ' ',
  );

/** Puts the images that are not there into the lab's cache. `debian` needs mmdebstrap and a mirror. Says which there are. */
export async function provideImages(
  lab: Lab,
  wanted: readonly (keyof typeof images)[],
): Promise<ReadonlySet<keyof typeof images>> {
  const there = new Set<keyof typeof images>();
  for (const name of wanted) {
    const directory = path.join(lab.directory, `layout-${name}`);
    if (!existsSync(directory)) {
      const items = createImage(name, lab);
      if (items === undefined) continue;
      const temporary = `${directory}.unfinished`;
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary);
      await writeLayout(temporary, [items], { algorithm: 'zstd', level: 3 }, 1, { Cmd: ['/bin/sh'] });
      renameSync(temporary, directory);
    }
    lab.shale('copy', '--quiet', `oci:${directory}`, images[name]);
    there.add(name);
  }
  return there;
}

function createImage(name: keyof typeof images, lab: Lab): Items | undefined {
  if (name === 'tiny') return [...createBusybox(), ...createData()];
  if (name === 'node')
    return [...createBusybox(), ...createItems(findRuntime(), placeRuntime), ...createApplication()];
  return createDebian(lab);
}

/** The program and a link for each applet that the bench uses. */
function createBusybox(): Item[] {
  if (!existsSync(staticBusybox) || readFileSync(staticBusybox).includes('/lib64/ld-linux')) {
    throw new Error(`${staticBusybox} has to be static: install busybox-static`);
  }
  const bytes = readFileSync(staticBusybox);
  const program = createFile('bin/busybox', bytes);
  return [
    createItem({ type: 'directory', path: 'bin' }),
    createItem({ type: 'directory', path: 'tmp', mode: 0o1777 }),
    { ...program, entry: { ...program.entry, mode: 0o755 } },
    ...applets.map(applet => createItem({ type: 'symlink', path: `bin/${applet}`, linkpath: 'busybox' })),
  ];
}

/** Bytes that half compress, as programs do. */
function createData(): Item[] {
  const program = readFileSync(process.execPath);
  const files = Object.entries(sizes).map(([name, size], index) =>
    createFile(`data/${name}`, program.subarray(index * 4096, index * 4096 + size)),
  );
  return [createItem({ type: 'directory', path: 'data' }), ...files];
}

/** The libraries through their symlinks: what the loader asks for is what the image has. */
function findRuntime(): readonly Found[] {
  const listed = spawnSync('ldd', [process.execPath], { encoding: 'utf8' }).stdout;
  const libraries = [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, file]) => file!);
  return [process.execPath, ...libraries].map(file => ({ file, status: statSync(file) }));
}

function placeRuntime(file: string): string {
  return file === process.execPath ? 'usr/bin/node' : file.slice(1);
}

function createApplication(): Item[] {
  const script = 'console.log("@marker", process.version);\n';
  return [createItem({ type: 'directory', path: 'app' }), createFile('app/main.mjs', Buffer.from(script))];
}

function createDebian(lab: Lab): Items | undefined {
  if (spawnSync('mmdebstrap', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined;
  const tree = path.join(lab.directory, 'debian');
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  rmSync(tree, { recursive: true, force: true });
  process.stderr.write('mmdebstrap, once: a minute\n');
  run('mmdebstrap', ['--variant=minbase', '--quiet', codename, tree]);
  const items = createItems(listTree(tree), file => path.relative(tree, file));
  return items;
}
