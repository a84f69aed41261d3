import { chownSync, closeSync, constants, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { descriptorPath } from '../../host/index.ts';
import type { Descriptors } from '../descriptors.ts';
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

/** Opens a saved state for a machine that is to go on from it. */
export function openState(
  state: SavedState,
  files: Descriptors,
): { memoryFile: MemoryFile; incoming: number } {
  const memory = files.addFile(join(state.directory, state.memory ?? 'memory'), constants.O_RDWR);
  const incoming = files.addFile(join(state.directory, state.device), constants.O_RDONLY);
  return { memoryFile: { path: descriptorPath(memory), share: false }, incoming };
}
