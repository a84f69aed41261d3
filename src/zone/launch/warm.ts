import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../../error/index.ts';
import { type FileLock, removeTree, replaceFile, syncDirectoryNow, tryLock } from '../../host/index.ts';
import type { Disk, MachineOptions, SavedState } from '../../vmm/index.ts';

/** What two machines must have in common for one to come out of the other's saved state. */
export interface WarmShape {
  /** Digests of kernel and initramfs. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly vmm: string;
  readonly version: string | undefined;
  readonly machine: MachineOptions;
  /** The BOOT message: the image's disk, its type, its root hash. */
  readonly boot: Uint8Array;
}

const recordFile = 'state.json';

/** A name for the shape: the same for the same shape only. Sizes of disks count, for the guest has seen them. */
export function warmName(shape: WarmShape): string {
  const { memory, cpus, channels, network, acceleration, machine, commandLine, disks } = shape.machine;
  const described = JSON.stringify({
    ...{ kernel: shape.kernel, initramfs: shape.initramfs, vmm: shape.vmm, version: shape.version },
    ...{ memory, cpus, channels, network, acceleration, machine, commandLine },
    disks: disks.map(describeDisk),
    boot: Buffer.from(shape.boot).toString('base64'),
  });
  return createHash('sha256').update(described).digest('hex').slice(0, 32);
}

function describeDisk({ path, readOnly }: Disk): { size: number; readOnly: boolean } {
  return { size: statSync(path).size, readOnly };
}

/** The saved state in a directory; undefined if there is none. */
export function findSavedState(directory: string): SavedState | undefined {
  try {
    const state = JSON.parse(readFileSync(join(directory, recordFile), 'utf8')) as SavedState;
    return { ...state, directory };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * A directory beside the place of a saved state, in which it is made. `keep` puts it there, unless somebody else was quicker; disposing
 * removes what was not kept. All of it is on the disk before it has its name: a state that a crash has torn would hang a machine.
 */
export class WarmDraft implements AsyncDisposable {
  readonly directory: string;
  readonly #place: string;

  constructor(place: string, id: string) {
    this.#place = place;
    this.directory = `${place}.${id}.draft`;
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    mkdirSync(this.directory, { mode: 0o700 });
  }

  keep(state: SavedState): SavedState | undefined {
    const record = JSON.stringify({ ...state, directory: '.' });
    replaceFile(join(this.directory, recordFile), Buffer.from(record));
    try {
      renameSync(this.directory, this.#place);
      syncDirectoryNow(dirname(this.#place));
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    }
    return findSavedState(this.#place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    removeTree(this.directory);
  }
}

/** Forgets a state that does not come back to life. */
export function dropSavedState(directory: string): void {
  removeTree(directory);
}

/** Keeps a state from gc while a machine comes out of it. Undefined if it has gone, or is going. */
export function holdSavedState(directory: string): FileLock | undefined {
  try {
    return tryLock(join(directory, 'lock'), 'shared');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
