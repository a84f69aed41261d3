import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type MountParameter, mountFilesystem, unmount } from '../../src/host/index.ts';
import { type Listing, listFiles } from '../pull/listing.ts';
import { run } from '../pull/packages.ts';

/** A root filesystem that can be mounted for reading. */
export interface Mountable {
  readonly name: string;
  /** How it is mounted, for the reader. */
  readonly manual: string;
  /** Mounts it at `target`, what it needs besides below `aside`; returns what to do to undo it. */
  mount(target: string, aside: string): () => void;
}

/** A file by itself, or with others as devices. EROFS reads files without loop devices; mount(8) would put one under it. */
export function erofs(name: string, image: string, devices: readonly string[] = []): Mountable {
  const options = devices
    .map((): string => ',device=LAYER')
    .slice(0, 1)
    .join('');
  return {
    name,
    manual: `mount -t erofs -o ro${options}${devices.length > 1 ? '…' : ''} IMAGE (files, no loop devices)`,
    mount(target) {
      mountFilesystem('erofs', target, [
        ['source', image],
        ...devices.map((file): MountParameter => ['device', file]),
      ]);
      return () => unmount(target);
    },
  };
}

export function throughLoop(name: string, type: string, image: string): Mountable {
  return {
    name,
    manual: `mount -t ${type} -o loop,ro IMAGE`,
    mount(target) {
      run('mount', ['-t', type, '-o', 'loop,ro', image, target]);
      return () => run('umount', [target]);
    },
  };
}

/** Directories, the uppermost first. */
export function overlay(name: string, lowers: readonly string[]): Mountable {
  return {
    name,
    manual: 'mount -t overlay -o ro,lowerdir+=LOWER…',
    mount(target) {
      mountOverlay(target, lowers);
      return () => unmount(target);
    },
  };
}

interface Lower {
  readonly file: string;
  readonly device?: string;
}

/** Each lower a filesystem of its own. */
export function overlayOfErofs(name: string, directory: string, lowers: readonly Lower[]): Mountable {
  return {
    name,
    manual: 'mount -t erofs of each, then mount -t overlay -o ro,lowerdir+=LOWER…',
    mount(target, aside) {
      const undo: (() => void)[] = [];
      const mounted = lowers.map(({ file, device }, index) => {
        const lower = path.join(aside, `${index}`);
        mkdirSync(lower, { recursive: true });
        undo.push(() => rmdirSync(lower));
        const devices = device === undefined ? [] : [path.join(directory, device)];
        undo.push(erofs('', path.join(directory, file), devices).mount(lower, aside));
        return lower;
      });
      mountOverlay(target, mounted);
      undo.push(() => unmount(target));
      return () => {
        for (const each of undo.reverse()) each();
      };
    },
  };
}

function mountOverlay(target: string, lowers: readonly string[]): void {
  mountFilesystem('overlay', target, [
    ['source', 'overlay'],
    ...lowers.map((lower): MountParameter => ['lowerdir+', lower]),
  ]);
}

interface StackManifest {
  readonly overlay?: { readonly lowers: readonly Lower[] };
  readonly merged?: { readonly image: { readonly file: string }; readonly devices: readonly string[] };
}

/** What `stack.json` of a directory that Shale has made says. */
export function stackMounts(name: string, directory: string): readonly Mountable[] {
  const manifest = JSON.parse(readFileSync(path.join(directory, 'stack.json'), 'utf8')) as StackManifest;
  const { overlay: stacked, merged } = manifest;
  const at = (file: string) => path.join(directory, file);
  return [
    ...(stacked ? [overlayOfErofs(`${name}, overlay`, directory, stacked.lowers)] : []),
    ...(merged ? [erofs(`${name}, merged`, at(merged.image.file), merged.devices.map(at))] : []),
  ];
}

/** What is read; each line is a command for bash in the root of the mounted filesystem. */
export const readings = {
  find: 'find . > /dev/null',
  stat: "find . -printf '%p %y %m %U %G %s %T@ %l\\n' > /dev/null",
  cat: 'find . -type f -print0 | xargs -0 cat > /dev/null',
} as const;
export type Reading = keyof typeof readings;
const names = Object.keys(readings) as Reading[];

export interface ReadingTimes {
  readonly mountable: Mountable;
  readonly cold: Record<Reading, number[]>;
  readonly warm: Record<Reading, number[]>;
  listing: Listing | undefined;
  /** Why it could not be read. */
  failure: string | undefined;
}

/** Seconds: first with nothing in the page cache nor of dentries and inodes, freshly mounted, then once more. */
export function readAll(
  mountables: readonly Mountable[],
  rounds: number,
  scratch: string,
): readonly ReadingTimes[] {
  const times = (): Record<Reading, number[]> => ({ find: [], stat: [], cat: [] });
  const results = mountables.map(
    (mountable): ReadingTimes => ({
      mountable,
      cold: times(),
      warm: times(),
      listing: undefined,
      failure: undefined,
    }),
  );
  const aside = path.join(scratch, 'aside');
  const target = path.join(scratch, 'target');
  for (const directory of [aside, target]) mkdirSync(directory, { recursive: true });
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      if (result.failure !== undefined) continue;
      try {
        for (const name of names) readOnce(result, name, target, aside);
        if (round > 0) continue;
        using mounted = use(result.mountable, target, aside);
        result.listing = listFiles(mounted.path);
      } catch (error) {
        result.failure = (error as Error).message;
      }
      process.stderr.write(`round ${round + 1} of ${rounds}  ${result.mountable.name}\n`);
    }
  }
  return results;
}

function readOnce(
  { mountable, cold, warm }: ReadingTimes,
  name: Reading,
  target: string,
  aside: string,
): void {
  spawnSync('sync');
  // Before the mount, for superblocks and tables, and after it for what mounting has read.
  writeFileSync('/proc/sys/vm/drop_caches', '3');
  using mounted = use(mountable, target, aside);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
  warmPrograms();
  for (const times of [cold, warm]) times[name].push(time(readings[name], mounted.path));
}

function use(mountable: Mountable, target: string, aside: string): Disposable & { readonly path: string } {
  return { path: target, [Symbol.dispose]: mountable.mount(target, aside) };
}

/** What reads must not have to be read itself. */
function warmPrograms(): void {
  execFileSync('bash', ['-c', "find /proc/self/comm -printf '%T@\\n' | xargs cat > /dev/null; true"], {
    stdio: 'ignore',
  });
}

function time(command: string, cwd: string): number {
  const begin = performance.now();
  run('bash', ['-c', command], { cwd });
  return (performance.now() - begin) / 1000;
}

export function tabulateReadings(results: readonly ReadingTimes[], reference: string): string[][] {
  const columns = names.flatMap(name => (['cold', 'warm'] as const).map(state => ({ name, state })));
  const of = ({ name, state }: (typeof columns)[number], result: ReadingTimes) => middle(result[state][name]);
  const base = results.find(({ mountable }) => mountable.name === reference);
  return [
    ['', ...columns.map(({ name, state }) => `${name}, ${state}`)],
    ...results.map(result => [
      result.mountable.name,
      ...columns.map(column => {
        const value = of(column, result);
        const text = value.toFixed(value < 1 ? 3 : 2);
        return base === undefined || base === result
          ? text
          : `${text} (${(value / of(column, base)).toFixed(2)})`;
      }),
    ]),
  ];
}

export function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}
