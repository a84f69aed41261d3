import {
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
} from 'node:fs';
import { join } from 'node:path';
import { descriptorPath, isRoot } from '../../host/index.ts';
import type { Descriptors } from '../descriptors.ts';
import { VmmError } from '../error.ts';
import type { MachineOptions, SavedState } from '../machine.ts';
import type { QemuArguments } from './arguments.ts';

type MemoryFile = NonNullable<QemuArguments['memoryFile']>;

/** Creates the file that is the memory of a machine which will be saved: sparse, and QEMU's user may write to it. */
export function createMemory(path: string, options: MachineOptions, files: Descriptors): MemoryFile {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    ftruncateSync(fd, options.memory);
  } finally {
    closeSync(fd);
  }
  if (options.user !== undefined) chownSync(path, options.user.uid, options.user.gid);
  return { path: descriptorPath(files.addFile(path, constants.O_RDWR)), share: true };
}

/**
 * Completes the memory file of a saved machine, durably, and returns its seal: what `stat` says of it.
 *
 * QEMU insists on opening the file for writing, though it maps it privately and never writes. Whoever it runs as next
 * thus has to have that right; as root's zones have a user each, everybody has it who can reach the file, through no
 * name but a descriptor of ours. A QEMU that was taken over could write, but not without changing the time of change.
 */
export function sealMemory(path: string): string {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    if (isRoot()) {
      fchownSync(fd, 0, 0);
      fchmodSync(fd, 0o666);
    }
    fsyncSync(fd);
    return seal(fd);
  } finally {
    closeSync(fd);
  }
}

function seal(fd: number): string {
  const { ino, size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Opens a saved state for a machine that is to go on from it. VmmError `corrupt` if its memory was written to. */
export function openState(
  state: SavedState,
  files: Descriptors,
): { memoryFile: MemoryFile; incoming: number } {
  const path = join(state.directory, state.memory ?? 'memory');
  const memory = files.addFile(path, constants.O_RDWR);
  if (seal(files.list[memory - 3]!) !== state.seal) {
    throw new VmmError('corrupt', 'the memory of the saved state was changed since', { detail: { path } });
  }
  const incoming = files.addFile(join(state.directory, state.device), constants.O_RDONLY);
  return { memoryFile: { path: descriptorPath(memory), share: false }, incoming };
}
