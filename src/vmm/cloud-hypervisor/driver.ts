import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ApiClient,
  ApiMachine,
  giveUp,
  guestPort,
  hasStaging,
  kvmUser,
  MachineFiles,
  prepareStaging,
  probeProgram,
  requireProgram,
  requireVersion,
  type VersionRule,
} from '../api/index.ts';
import { ConsoleTail } from '../console.ts';
import { launch } from '../launch.ts';
import type { Machine, MachineOptions, MachineRecord, VmmDriver } from '../machine.ts';
import { MachineProcess } from '../machine-process.ts';
import { findApiVersion, openApi, root } from './api.ts';
import {
  apiSocket,
  checkOptions,
  type GuestPaths,
  kernelName,
  machineConfiguration,
  vsockSocket,
} from './configuration.ts';
import { ConsoleReader } from './console.ts';
import { addState, restore, restoring, save } from './snapshot.ts';

const rule: VersionRule = {
  program: 'cloud-hypervisor',
  name: 'Cloud Hypervisor',
  least: [37, 0],
  why: 'its serial port cannot be a socket',
  where: 'github.com/cloud-hypervisor/cloud-hypervisor',
};

export const cloudHypervisorDriver: VmmDriver = {
  name: 'cloud-hypervisor',
  deviceName: disk => `vd${String.fromCharCode(97 + disk)}`,
  channelArgument: () => `vsock:${guestPort}`,
  modules: () => ['virtio_pci', 'virtio_blk', 'vmw_vsock_virtio_transport'],
  probe: options => probeProgram(rule, start, options),
  start,
  find(record, directory) {
    const process = MachineProcess.find(record.process);
    if (process === undefined) return undefined;
    const tail = new ConsoleTail();
    const reader = new ConsoleReader(tail);
    // Without its words the machine is still to be had.
    reader.open(directory, { ended: process.ended }).catch(() => {});
    return machineOf(record, directory, process, tail, reader);
  },
};

async function start(options: MachineOptions): Promise<Machine> {
  checkOptions(options);
  const { directory, channels, restore: state, keepMemory, signal } = options;
  const machine = { ...options, user: kvmUser(options.user) };
  using files = new MachineFiles(machine);
  // In this order for a boot and for a restore: a saved state names initramfs and disks by the numbers that they had.
  symlinkSync(files.addReadable(machine.kernel.vmlinux!), join(directory, kernelName));
  const paths: GuestPaths = {
    initramfs: files.addReadable(machine.initramfs),
    disks: machine.disks.map(disk => files.addDiskPath(disk)),
  };
  if (state !== undefined) addState(files, state, directory);
  if (keepMemory !== undefined) prepareStaging(directory, machine.user);
  const daemon = await launch({
    program: requireProgram(rule),
    arguments: ['--api-socket', `path=${apiSocket}`],
    machine,
    descriptors: files.list,
    ready: apiSocket,
  });
  const process = new MachineProcess(daemon);
  const tail = new ConsoleTail();
  const reader = new ConsoleReader(tail);
  const listen = () => reader.open(directory, { signal, ended: process.ended });
  try {
    const api = openApi(directory, process);
    if (state === undefined) await boot(api, machine, paths, listen);
    else await restore(api, state, listen, signal);
  } catch (error) {
    reader.close();
    throw await giveUp(error, process, tail);
  }
  // From here on a reset finds no kernel, and ends the machine.
  for (const name of [kernelName, restoring]) rmSync(join(directory, name), { recursive: true, force: true });
  const record: MachineRecord = {
    vmm: 'cloud-hypervisor',
    process: process.identity,
    channels,
    acceleration: 'kvm',
  };
  return machineOf(record, directory, process, tail, reader);
}

/** The serial port is there from `vm.create` on: who listens before the boot hears everything. */
async function boot(
  api: ApiClient,
  machine: MachineOptions,
  paths: GuestPaths,
  listen: () => Promise<void>,
): Promise<void> {
  const { signal } = machine;
  requireVersion(rule, await findApiVersion(api, signal));
  await api.call('PUT', `${root}/vm.create`, machineConfiguration(machine, paths), { signal });
  await listen();
  await api.call('PUT', `${root}/vm.boot`, undefined, { signal });
}

function machineOf(
  record: MachineRecord,
  directory: string,
  process: MachineProcess,
  tail: ConsoleTail,
  reader: ConsoleReader,
): Machine {
  const api = openApi(directory, process);
  return new ApiMachine({
    record,
    directory,
    process,
    console: tail,
    vsock: vsockSocket,
    save: hasStaging(directory) ? to => save(api, directory, to) : undefined,
    detach: () => reader.close(),
  });
}
