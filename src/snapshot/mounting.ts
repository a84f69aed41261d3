import { closeSync, constants, mkdtempSync, openSync, readdirSync, realpathSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import {
  attachLoop,
  descriptorPath,
  findBoot,
  fitsClassicMount,
  HostError,
  identifyProcess,
  isRunning,
  listMountsIn,
  type MountAttributes,
  mountBind,
  mountClassic,
  mountFilesystem,
  removeTree,
  unmount,
} from '../host/index.ts';
import { type ByteString, byteString } from '../tree/index.ts';
import { SnapshotError } from './error.ts';
import type { Mount } from './mount.ts';
import { type MountProgram, mountPrograms } from './mount-program.ts';
import { compactOverlay } from './overlay-options.ts';

/** What `mountAll` adds to what the mounts say by themselves. */
export type ExtraAttributes = MountAttributes;

/** Words among a mount's options that are attributes, or say what the mount is; the others are the filesystem's. */
const attributeWords: Readonly<Record<string, MountAttributes>> = {
  ro: { readOnly: true },
  nosuid: { noSuid: true },
  nodev: { noDevices: true },
  noexec: { noExecution: true },
};
const otherWords = new Set(['rw', 'bind', 'rbind', 'suid', 'dev', 'exec', 'loop']);

/** A mount's options, sorted out. */
interface Sorted {
  readonly attributes: MountAttributes;
  readonly data: readonly string[];
  readonly words: ReadonlySet<string>;
}

/**
 * Mounts a snapshot at a directory: one mount after the other, each at the target or where below it says. If one fails those before it are
 * unmounted. What takes root says so: HostError `denied`.
 */
export async function mountAll(
  mounts: readonly Mount[],
  target: string,
  extra: ExtraAttributes = {},
): Promise<void> {
  const done: string[] = [];
  try {
    for (const mount of mounts) {
      const place = mount.target === undefined ? target : join(target, mount.target);
      await mountOne(mount, place, extra);
      done.push(place);
    }
  } catch (error) {
    for (const place of done.reverse()) unmount(byteString(place), { lazily: true });
    throw error;
  }
}

async function mountOne(mount: Mount, target: string, extra: ExtraAttributes): Promise<void> {
  const { type } = mount;
  const { data, words, ...sorted } = sort(mount);
  const attributes = { ...sorted.attributes, ...extra };
  const [source, place] = [byteString(mount.source), byteString(target)];
  const program: MountProgram | undefined = mountPrograms[type];
  if (program !== undefined) await program(mount, target, attributes);
  else if (type === 'bind' || words.has('bind') || words.has('rbind')) {
    mountBind(source, place, { ...attributes, recursive: words.has('rbind') });
  } else if (type === 'overlay') mountOverlay(place, data, attributes);
  else if (words.has('loop')) {
    using loop = await attachLoop(mount.source, {
      access: attributes.readOnly ? 'read-only' : 'read-write',
    });
    mountDevice(type, byteString(loop.path), place, data, attributes);
  } else mountDevice(type, source, place, data, attributes);
}

/** Of a device, or of a file where the kernel mounts files. */
function mountDevice(
  type: string,
  source: ByteString,
  target: ByteString,
  data: readonly string[],
  attributes: MountAttributes,
): void {
  mountFilesystem(type, target, [['source', source], ...data.map(toParameter)], attributes);
}

/**
 * By mount(2) if the options fit into its page, with paths made relative to what they have in common where that helps; else option by option, which takes Linux
 * 6.8 for lower directories.
 */
function mountOverlay(target: ByteString, data: readonly string[], attributes: MountAttributes): void {
  const whole = byteString(data.join(','));
  if (fitsClassicMount(whole)) {
    mountClassic('overlay', 'overlay', target, whole, attributes);
    return;
  }
  const { lowers, others, compact } = compactOverlay(data);
  if (compact !== undefined && fitsClassicMount(byteString(compact.options))) {
    const { directory, options } = compact;
    mountClassic('overlay', 'overlay', target, byteString(options), { ...attributes, directory });
    return;
  }
  const parameters = [
    ...others.map(toParameter),
    ...lowers.map(lower => ['lowerdir+', byteString(lower)] as const),
  ];
  try {
    mountFilesystem('overlay', target, parameters, attributes);
  } catch (error) {
    const errno = error instanceof HostError ? error.detail.errno : undefined;
    if (errno !== 'ENOSYS' && errno !== 'EINVAL') throw error;
    const message = `${lowers.length} lower directories do not fit into one mount here: ${(error as HostError).message}`;
    throw new SnapshotError('unsupported', message, {
      cause: error,
      detail: { lowers: lowers.length },
      hint: 'this takes Linux 6.8 or later, or a shorter --root',
    });
  }
}

function sort({ options }: Mount): Sorted {
  let attributes: MountAttributes = {};
  const data: string[] = [];
  const words = new Set<string>();
  for (const option of options) {
    if (attributeWords[option] !== undefined) attributes = { ...attributes, ...attributeWords[option] };
    else if (otherWords.has(option)) words.add(option);
    else data.push(option);
  }
  return { attributes, data, words };
}

function toParameter(option: string): readonly [string] | readonly [string, ByteString] {
  const at = option.indexOf('=');
  return at < 0 ? [option] : [option.slice(0, at), byteString(option.slice(at + 1))];
}

/** What is mounted and has no place: only who holds it can reach it, and it goes with its process. */
export interface OpenMounts extends Disposable {
  /** A way to its root, in this process alone. */
  readonly path: string;
}

/**
 * Mounts a snapshot for this process alone: it stands nowhere, so that nobody finds it and nothing of it is left after a crash, but for an empty
 * directory in `scratch`, in which it is mounted for a moment.
 */
export async function openMounts(mounts: readonly Mount[], scratch: string): Promise<OpenMounts> {
  const place = mkdtempSync(join(scratch, scratchPrefix));
  let fd: number;
  try {
    await mountAll(mounts, place, { noSuid: true, noDevices: true });
    try {
      fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY);
    } finally {
      unmount(byteString(place), { lazily: true });
    }
  } finally {
    rmdirSync(place);
  }
  return {
    path: descriptorPath(fd),
    [Symbol.dispose]() {
      if (fd >= 0) closeSync(fd);
      fd = -1;
    },
  };
}

/** How directories begin in which something is mounted for a moment: they say by whom. */
export const scratchPrefix = `mount-${process.pid}-${identifyProcess(process.pid)?.started ?? 0}-`;

/** Clears such directories of processes that are gone, with what is mounted in them. */
export function clearScratch(directory: string): void {
  for (const name of readdirSync(directory)) {
    const [, pid, started] = /^mount-([0-9]+)-([0-9]+)-/.exec(name) ?? [];
    if (pid === undefined || isRunning({ pid: Number(pid), started, boot: findBoot() })) continue;
    const place = join(directory, name);
    try {
      const real = byteString(realpathSync(place));
      for (const { target } of listMountsIn(real).reverse()) unmount(target, { lazily: true });
      removeTree(place);
    } catch (error) {
      // Somebody else clears it, too.
      if (!isErrno(error, 'ENOENT', 'EINVAL')) throw error;
    }
  }
}
