import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { removeTree } from '../../host/index.ts';
import type { Digest } from '../../oci/index.ts';
import type {
  Acceleration,
  Machine,
  MachineKernel,
  MachineOptions,
  PublishedPort,
  QemuMachine,
  SavedState,
  VmmDriver,
} from '../../vmm/index.ts';
import { createJournal } from '../disk/journal.ts';
import { createScratch } from '../disk/scratch.ts';
import type { ProcessSpec } from '../process.ts';
import { type Conversation, toGuest } from '../protocol/index.ts';
import { journalFile, type StoredZone, type Zones } from '../state/index.ts';
import { type BootedMachine, type BootOptions, bootMachine } from './boot.ts';
import { type DiskPlan, planDisks, type ZoneImage } from './disks.ts';
import { writeBoot, writeRun, type ZoneFurniture } from './messages.ts';
import type { Timeline } from './timeline.ts';
import { dropSavedState, findSavedState, holdSavedState, WarmDraft, warmName } from './warm.ts';

/**
 * How many conversations a zone has at once: its launcher's and those of exec, stop and the like, of which more wait for each other. Each costs an
 * emulated machine 20 ms of its boot, and some memory.
 */
export const channels = 4;

export interface LaunchOptions {
  readonly zones: Zones;
  readonly zone: StoredZone;
  readonly driver: VmmDriver;
  /** Of the hypervisor: a saved state is for the same only. */
  readonly version: string | undefined;
  readonly acceleration: Acceleration | undefined;
  readonly machine: QemuMachine | undefined;
  readonly kernel: { readonly files: MachineKernel; readonly digest: Digest };
  readonly initramfs: { readonly path: string; readonly digest: Digest };
  readonly kernelArguments: readonly string[];
  readonly image: ZoneImage;
  readonly furniture: ZoneFurniture;
  readonly publish: readonly PublishedPort[];
  readonly workload: ProcessSpec;
  /** Bytes of the disk that takes what is written, in place of a tmpfs. */
  readonly scratch: number | undefined;
  /** Where a saved state of a name is kept; undefined: the machine boots. */
  readonly warmPlace: ((name: string) => string) | undefined;
  /** Milliseconds for each of two attempts. */
  readonly bootTimeout: number;
  readonly timeline: Timeline;
  readonly onConsole: ((bytes: Uint8Array) => void) | undefined;
  readonly onNotice: ((text: string) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A zone whose workload was asked to start; the answer is the conversation's next message. */
export interface LaunchedZone {
  readonly machine: Machine;
  readonly conversation: Conversation;
}

/**
 * Brings a zone's machine up, cold or out of a saved state, furnishes it and asks for its workload. The machine is in the zone's record
 * from the moment in which it was started. Where this fails, the machine is gone; the zone's directory is the caller's.
 */
export async function launchZone(options: LaunchOptions): Promise<LaunchedZone> {
  const { zone, driver, image, furniture, timeline } = options;
  const { directory } = zone;
  const scratch = options.scratch === undefined ? undefined : join(directory, 'scratch');
  const journal = join(directory, journalFile);
  const plan = planDisks(driver, { image, journal, scratch, volumes: furniture.volumes });
  const boot: BootOptions = {
    driver,
    boot: writeBoot(image, plan),
    machine: {
      ...machineOptions(options, plan),
      onProcess: process => {
        const { acceleration } = options;
        const machine = { vmm: driver.name, process, channels, ...(acceleration && { acceleration }) };
        options.zones.claimMachine(zone.record.id, machine);
      },
    },
    timeout: options.bootTimeout,
    onConsole: options.onConsole,
    onStarted: ({ record: machine }) => {
      options.zones.claimMachine(zone.record.id, machine);
      timeline.mark('hypervisor');
    },
    onRetry: reason => {
      options.zones.requireWanted(zone.record.id);
      options.onNotice?.(`${reason.message}; it is started once more`);
    },
    prepare: async () => {
      options.zones.requireWanted(zone.record.id);
      removeTree(join(directory, 'run'));
      mkdirSync(join(directory, 'run'), { mode: 0o700 });
      removeTree(journal);
      await createJournal(journal);
      if (scratch !== undefined) {
        removeTree(scratch);
        await createScratch(scratch, options.scratch!, options.signal);
      }
      timeline.mark('directory and disks');
    },
  };
  const { machine, conversation, init } = await bringUp(options, boot);
  const booted = performance.now();
  if (!timeline.warm) timeline.mark('kernel', booted - init);
  timeline.mark(timeline.warm ? 'saved state' : 'init');
  conversation.send(toGuest.run, writeRun(furniture, plan, options.workload)).catch(() => {});
  return { machine, conversation };
}

function machineOptions(options: LaunchOptions, { disks }: DiskPlan): MachineOptions {
  const { zone, kernel, initramfs, kernelArguments, publish, acceleration, machine, signal } = options;
  const { memory, cpus, network, uid } = zone.record;
  return {
    directory: join(zone.directory, 'run'),
    kernel: kernel.files,
    initramfs: initramfs.path,
    commandLine: kernelArguments,
    ...{ memory, cpus, disks, network, publish, channels, acceleration, machine, signal },
    user: uid === undefined ? undefined : { uid, gid: uid },
  };
}

async function bringUp(options: LaunchOptions, boot: BootOptions): Promise<BootedMachine> {
  const { warmPlace, driver, kernel, initramfs, version, timeline } = options;
  if (warmPlace === undefined) return await bootMachine(boot);
  // Disks have to be there for their sizes to be known.
  await boot.prepare();
  const shape = { kernel: kernel.digest, initramfs: initramfs.digest, vmm: driver.name, version };
  const place = warmPlace(warmName({ ...shape, machine: boot.machine, boot: boot.boot }));
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
    conversation[Symbol.dispose]();
    const state = await machine.save?.({ directory: draft.directory });
    return state && draft.keep(state);
  } finally {
    await machine.kill();
    options.timeline.mark('saving a state');
  }
}
