import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiClient, type MachineFiles, requireSaver, staging, takeStaged } from '../api/index.ts';
import type { SavedState } from '../machine.ts';
import { findApiVersion, root } from './api.ts';

/** What Cloud Hypervisor writes: its description of the machine, the devices, the memory. The names are its own. */
const device = 'state.json';
const memory = 'memory-ranges';
const names = ['config.json', device, memory] as const;

/** Where a saved state lies for the hypervisor, in the machine's directory. */
export const restoring = 'restored';

const saveTimeout = 120_000;

/** Pauses the machine and writes its description, devices and memory. The disks are not part of it. */
export async function save(api: ApiClient, directory: string, to: string): Promise<SavedState> {
  const version = await findApiVersion(api);
  await api.call('PUT', `${root}/vm.pause`);
  const body = { destination_url: `file://${staging}` };
  await api.call('PUT', `${root}/vm.snapshot`, body, { timeout: saveTimeout });
  takeStaged(directory, names, to);
  return { vmm: 'cloud-hypervisor', directory: to, device, memory, version };
}

/** Adds the files of a saved state, and a directory that leads to them. Disks have been added before. */
export function addState(files: MachineFiles, state: SavedState, directory: string): void {
  const path = join(directory, restoring);
  mkdirSync(path, { mode: 0o755 });
  for (const name of names) {
    const reached = files.addReadable(join(state.directory, name));
    symlinkSync(reached.startsWith('/') ? reached : join('..', reached), join(path, name));
  }
}

/** Starts from a saved state, and lets it run. `paused` is called in between, when the machine is there. */
export async function restore(
  api: ApiClient,
  state: SavedState,
  paused: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  requireSaver(state, { vmm: 'cloud-hypervisor', version: await findApiVersion(api, signal) });
  await api.call(
    'PUT',
    `${root}/vm.restore`,
    { source_url: `file://${restoring}` },
    { signal, timeout: saveTimeout },
  );
  await paused();
  await api.call('PUT', `${root}/vm.resume`, undefined, { signal });
}
