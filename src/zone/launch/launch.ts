import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../host/index.ts';
import type { Digest } from '../../oci/index.ts';
import type {
  Acceleration,
  Machine,
  MachineKernel,
  MachineOptions,
  PublishedPort,
  QemuMachine,
  VmmDriver,
} from '../../vmm/index.ts';
import { channels } from '../channel.ts';
import { createJournal } from '../disk/journal.ts';
import type { ProcessSpec } from '../process.ts';
import type { Conversation } from '../protocol/index.ts';
import { journalFile, type StoredZone, type Zones } from '../state/index.ts';
import { type BootedMachine, type BootOptions, bootMachine } from './boot.ts';
import { type DiskPlan, planDisks, type ZoneImage } from './disks.ts';
import type { ZoneFurniture } from './messages.ts';
import type { Timeline } from './timeline.ts';

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
  /** Begun when the hypervisor's process is there, and waited for: for what is not needed before the workload starts. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
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
    boot: async () => (await import('./messages.ts')).writeBoot(image, plan),
    meanwhile: options.meanwhile,
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
        const { createScratch } = await import('../disk/scratch.ts');
        await createScratch(scratch, options.scratch!, options.signal);
      }
      timeline.mark('directory and disks');
    },
  };
  const { machine, conversation, init } = await bringUp(options, boot);
  const booted = performance.now();
  if (!timeline.warm) timeline.mark('kernel', booted - init);
  timeline.mark(timeline.warm ? 'saved state' : 'init');
  try {
    const { sendRun } = await import('./messages.ts');
    sendRun(conversation, furniture, plan, options.workload);
  } catch (error) {
    // A workload that cannot be asked for: too long, or not text.
    conversation[Symbol.dispose]();
    await machine.kill();
    throw error;
  }
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

/** Most zones boot, and need not load what comes out of a saved state. */
async function bringUp(options: LaunchOptions, boot: BootOptions): Promise<BootedMachine> {
  const { warmPlace } = options;
  if (warmPlace === undefined) return await bootMachine(boot);
  const { startWarm } = await import('./warm-start.ts');
  return await startWarm({ ...options, warmPlace }, boot);
}
