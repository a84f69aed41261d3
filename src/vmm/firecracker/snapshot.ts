import { join } from 'node:path';
import { type ApiClient, type MachineFiles, requireSaver, staging, takeStaged } from '../api/index.ts';
import { VmmError } from '../error.ts';
import type { SavedState } from '../machine.ts';
import { findApiVersion } from './configuration.ts';

/** Names in the directory of a saved state. */
const device = 'device';
const memory = 'memory';

/** All of the guest's memory is written at once. */
const saveTimeout = 120_000;

/**
 * Pauses the machine and writes its devices and its memory. What the guest has connected by vsock is closed, who
 * listens goes on listening. The disks are not part of it.
 */
export async function save(api: ApiClient, directory: string, to: string): Promise<SavedState> {
  const version = await findApiVersion(api);
  await api.call('PATCH', '/vm', { state: 'Paused' });
  const files = { snapshot_path: `${staging}/${device}`, mem_file_path: `${staging}/${memory}` };
  await api.call('PUT', '/snapshot/create', { snapshot_type: 'Full', ...files }, { timeout: saveTimeout });
  takeStaged(directory, [device, memory], to);
  return { vmm: 'firecracker', directory: to, device, memory, version };
}

/** Adds the files of a saved state, where a machine that boots has kernel and initramfs. */
export function addState(files: MachineFiles, state: SavedState): readonly [device: string, memory: string] {
  if (state.memory === undefined)
    throw new VmmError('invalid', 'a state of Firecracker has its memory in a file');
  return [
    files.addReadable(join(state.directory, state.device)),
    files.addReadable(join(state.directory, state.memory)),
  ];
}

/**
 * Starts from a saved state, and lets it run. Memory is mapped from the file, privately: machines share what they do
 * not write. The state names disks and vsock as this directory has them, so nothing is overridden.
 */
export async function restore(
  api: ApiClient,
  state: SavedState,
  [devicePath, memoryPath]: readonly [string, string],
  signal: AbortSignal | undefined,
): Promise<void> {
  requireSaver(state, { vmm: 'firecracker', version: await findApiVersion(api, signal) });
  const body = {
    snapshot_path: devicePath,
    mem_backend: { backend_type: 'File', backend_path: memoryPath },
    resume_vm: true,
  };
  await api.call('PUT', '/snapshot/load', body, { signal });
}
