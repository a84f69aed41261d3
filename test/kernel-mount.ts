import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type MountParameter, mountFilesystem, unmount } from '../src/host/index.ts';

/**
 * Filesystems mounted by this kernel, for reading: `using mounted = mountErofs(image)`, then look below `mounted.path` (listDisk of
 * disk.ts). Tests that use them say so: `skip: requires({ mounts: ['erofs', 'overlay'] })`.
 */
export interface KernelMount extends Disposable {
  readonly path: string;
}

export interface ErofsMountOptions {
  /** Files of the extra devices, in their order. Files and loop devices do not mix. */
  readonly devices?: readonly string[];
  /** Through loop devices instead of the files themselves (mount(8), in util-linux 2.38, puts one under every image). */
  readonly loop?: boolean;
  /** Such as `domain_id=x`, `noacl`. */
  readonly options?: readonly string[];
}

export function mountErofs(
  image: string,
  { devices = [], loop = false, options = [] }: ErofsMountOptions = {},
): KernelMount {
  using stack = new DisposableStack();
  const [source, ...extra] = [image, ...devices].map(file =>
    loop ? stack.use(attachLoop(file)).path : file,
  );
  const words = [...options, ...extra.map(device => `device=${device}`)];
  const directory = stack.use(mountAt('erofs', source!, words)).path;
  return keep(directory, stack.move());
}

export interface OverlayMountOptions {
  /** Data-only layers below all others, newest first. */
  readonly data?: readonly string[];
  /** Such as `metacopy=on`, `xino=on`. */
  readonly options?: readonly string[];
}

/** An OverlayFS without an upper directory; `lowers` are directories, the newest layer first. */
export function mountOverlay(
  lowers: readonly string[],
  { data = [], options = [] }: OverlayMountOptions = {},
): KernelMount {
  // A single lower is no overlay for the kernel: an empty one below changes nothing.
  using stack = new DisposableStack();
  const all =
    lowers.length === 1 && data.length === 0 ? [...lowers, stack.use(createDirectory()).path] : lowers;
  const parameters = [
    ...options,
    ...all.map(lower => `lowerdir+=${lower}`),
    ...data.map(lower => `datadir+=${lower}`),
  ];
  const directory = stack.use(mountAt('overlay', 'shale-test', parameters)).path;
  return keep(directory, stack.move());
}

export function mountSquashfs(image: string): KernelMount {
  using stack = new DisposableStack();
  const directory = stack.use(mountAt('squashfs', stack.use(attachLoop(image)).path)).path;
  return keep(directory, stack.move());
}

const mounted = new Set<string>();
process.on('exit', () => {
  for (const directory of [...mounted].reverse()) spawnSync('umount', ['-l', directory]);
});

function mountAt(type: string, source: string, options: readonly string[] = []): KernelMount {
  using stack = new DisposableStack();
  const directory = stack.use(createDirectory()).path;
  try {
    // mount(8) knows EROFS and puts a loop device under every file; and hundreds of options do not fit into mount(2)'s page.
    mountFilesystem(type, directory, [['source', source], ...options.map(parse)]);
  } catch (error) {
    // Filesystems tell their reasons to the kernel's log, not to who mounts.
    const log = spawnSync('dmesg', [], { encoding: 'utf8' }).stdout ?? '';
    throw new Error(`${(error as Error).message}\n${log.split('\n').slice(-4).join('\n')}`, { cause: error });
  }
  mounted.add(directory);
  stack.defer(() => {
    unmount(directory);
    mounted.delete(directory);
  });
  return keep(directory, stack.move());
}

function parse(option: string): MountParameter {
  const equals = option.indexOf('=');
  return equals < 0 ? [option] : [option.slice(0, equals), option.slice(equals + 1)];
}

function createDirectory(): KernelMount {
  const directory = mkdtempSync(path.join(tmpdir(), 'shale-mount-'));
  return { path: directory, [Symbol.dispose]: () => rmdirSync(directory) };
}

function attachLoop(file: string): KernelMount {
  const device = execFileSync('losetup', ['--find', '--show', '--read-only', file], {
    encoding: 'utf8',
  }).trim();
  return { path: device, [Symbol.dispose]: () => execFileSync('losetup', ['--detach', device]) };
}

function keep(directory: string, stack: DisposableStack): KernelMount {
  return { path: directory, [Symbol.dispose]: () => stack.dispose() };
}
