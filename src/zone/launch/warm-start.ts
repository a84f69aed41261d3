import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { removeTree } from '../../host/index.ts';
import type { SavedState } from '../../vmm/index.ts';
import { fromGuest, toGuest } from '../protocol/index.ts';
import { type BootedMachine, type BootOptions, bootMachine } from './boot.ts';
import type { LaunchOptions } from './launch.ts';
import { dropSavedState, findSavedState, holdSavedState, WarmDraft, warmName } from './warm.ts';

/** A launch for which there is a place to keep a saved state in. */
type WarmOptions = LaunchOptions & { readonly warmPlace: (name: string) => string };

/** Brings a machine up out of a saved state, which is made if it is not there; it boots where that does not work. */
export async function startWarm(options: WarmOptions, boot: BootOptions): Promise<BootedMachine> {
  const { warmPlace, driver, kernel, initramfs, version, timeline } = options;
  // Disks have to be there for their sizes to be known.
  await boot.prepare();
  const shape = { kernel: kernel.digest, initramfs: initramfs.digest, vmm: driver.name, version };
  const place = warmPlace(warmName({ ...shape, machine: boot.machine, boot: await boot.boot() }));
  const state = findSavedState(place) ?? (await saveState(options, boot, place));
  if (state === undefined) {
    options.onNotice?.(`${driver.name} cannot save a machine's state: the zone boots`);
    return await bootMachine(boot);
  }
  using held = holdSavedState(place);
  if (held === undefined) return await bootMachine(boot);
  try {
    timeline.warm = true;
    return await bootMachine({ ...boot, machine: { ...boot.machine, restore: state } });
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'cancelled') throw error;
    timeline.warm = false;
    options.onNotice?.(`the saved state is of no use (${(error as Error).message}): the zone boots`);
    dropSavedState(place);
    return await bootMachine(boot);
  }
}

/** Boots a machine of this shape only to save it. Undefined if the hypervisor cannot. */
async function saveState(
  options: LaunchOptions,
  boot: BootOptions,
  place: string,
): Promise<SavedState | undefined> {
  await using draft = new WarmDraft(place, options.zone.record.id);
  const keepMemory = join(draft.directory, 'memory');
  const machineOptions = { ...boot.machine, keepMemory };
  const prepare = async () => {
    removeTree(keepMemory);
    await boot.prepare();
  };
  const { machine, conversation } = await bootMachine({ ...boot, prepare, machine: machineOptions });
  try {
    // Init answers when all is done that it does before RUN.
    await conversation.send(toGuest.status);
    await conversation.expect(fromGuest.status);
    conversation[Symbol.dispose]();
    const state = await machine.save?.({ directory: draft.directory });
    return state && draft.keep(state);
  } finally {
    await machine.kill();
    options.timeline.mark('saving a state');
  }
}
