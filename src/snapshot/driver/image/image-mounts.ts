import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, ShaleError, wrapErrno } from '../../../error/index.ts';
import { attachLoop, listMounts, mountFilesystem, unmount, waitForLock } from '../../../host/index.ts';
import { byteString } from '../../../tree/index.ts';

/** A filesystem in a file, and where it is to be mounted. */
export interface ImageMount {
  readonly type: 'erofs' | 'squashfs' | 'ext4';
  readonly image: string;
  /** A directory, made if it is not there. */
  readonly target: string;
  /** Files of an EROFS's extra devices, in their order. */
  readonly devices?: readonly string[] | undefined;
  /** `read-only` if not given. */
  readonly access?: 'read-only' | 'read-write' | undefined;
}

/** How the kernel is given files: `file` as they are, which it takes of EROFS since 6.12; `loop` through loop devices; `auto` the first, else the second. */
export type Backing = 'auto' | 'file' | 'loop';

/**
 * The mounts that a driver keeps below its root, for all processes that work there. They are made when they are needed and are not there (after a reboot, say), and
 * taken away when they are not needed any more: with the file `lock` held, so that nobody takes away what another has just found.
 */
export class ImageMounts {
  readonly #root: string;
  #backing: Backing;

  constructor(root: string, backing: Backing) {
    this.#root = root;
    this.#backing = backing;
  }

  /** Mounts those that are not mounted. HostErrors. */
  async ensure(wanted: readonly ImageMount[], signal?: AbortSignal): Promise<void> {
    if (wanted.length === 0) return;
    using _lock = await waitForLock(join(this.#root, 'lock'), { signal });
    const mounted = new Set(listMounts().map(({ target }) => target));
    for (const mount of wanted) if (!mounted.has(byteString(mount.target))) await this.#mount(mount);
  }

  areMounted(targets: readonly string[]): boolean {
    const mounted = new Set(listMounts().map(({ target }) => target));
    return targets.every(target => mounted.has(byteString(target)));
  }

  /** Unmounts what `targets` names, called once nobody can come between. What is in use (as a working directory, say) stays until the next time, or with `lazily` until its last user goes. */
  async release(
    targets: () => readonly string[],
    { lazily = false }: { readonly lazily?: boolean } = {},
  ): Promise<void> {
    using _lock = await waitForLock(join(this.#root, 'lock'));
    const unused = new Set(targets().map(byteString));
    if (unused.size === 0) return;
    for (const { target } of listMounts().reverse()) {
      if (!unused.has(target)) continue;
      try {
        unmount(target, { lazily });
      } catch (error) {
        if (!isErrno(error, 'EBUSY', 'EINVAL')) throw wrapErrno(error, `cannot unmount ${target}`);
      }
    }
  }

  /** Takes away all that is mounted in a directory that is going to be removed, also what is in use: that goes with its last user. */
  async clear(directory: string): Promise<void> {
    using _lock = await waitForLock(join(this.#root, 'lock'));
    const prefix = `${byteString(directory)}/`;
    for (const { target } of listMounts().reverse()) {
      if (!target.startsWith(prefix)) continue;
      try {
        unmount(target, { lazily: true });
      } catch (error) {
        throw wrapErrno(error, `cannot unmount ${target}`);
      }
    }
  }

  async #mount(mount: ImageMount): Promise<void> {
    const { type, image, target, devices = [], access = 'read-only' } = mount;
    try {
      mkdirSync(target, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw wrapErrno(error, `cannot create ${target}`);
    }
    if (type === 'erofs' && this.#backing !== 'loop') {
      try {
        mountFiles(type, target, image, devices, access);
        return;
      } catch (error) {
        if (this.#backing === 'file' || !isForLoop(error)) throw error;
      }
    }
    using stack = new DisposableStack();
    const attached: string[] = [];
    for (const file of [image, ...devices]) attached.push(stack.use(await attachLoop(file, { access })).path);
    mountFiles(type, target, attached[0]!, attached.slice(1), access);
    // From here on the kernel is known to want it so, and each file is asked for only once.
    if (type === 'erofs') this.#backing = 'loop';
  }
}

function mountFiles(
  type: string,
  target: string,
  source: string,
  devices: readonly string[],
  access: 'read-only' | 'read-write',
): void {
  const parameters = [
    ['source', byteString(source)] as const,
    ...devices.map(device => ['device', byteString(device)] as const),
  ];
  mountFilesystem(type, byteString(target), parameters, { readOnly: access === 'read-only' });
}

/** A file is no block device to older kernels; and some filesystems' files they do not read that way. */
function isForLoop(error: unknown): boolean {
  if (!(error instanceof ShaleError)) return false;
  return ['ENOTBLK', 'EINVAL', 'ENOTSUP'].includes(String(error.detail.errno));
}
