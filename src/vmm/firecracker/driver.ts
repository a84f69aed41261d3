import {
  ApiMachine,
  giveUp,
  guestPort,
  hasStaging,
  kvmUser,
  MachineFiles,
  prepareStaging,
  probeProgram,
  requireProgram,
  type VersionRule,
} from '../api/index.ts';
import { ConsoleTail } from '../console.ts';
import { launch } from '../launch.ts';
import type { Machine, MachineOptions, MachineRecord, VmmDriver } from '../machine.ts';
import { MachineProcess } from '../machine-process.ts';
import { apiSocket, boot, checkOptions, openApi, vsockSocket } from './configuration.ts';
import { addState, restore, save } from './snapshot.ts';

const rule: VersionRule = {
  program: 'firecracker',
  name: 'Firecracker',
  least: [1, 8],
  why: 'it names its devices on the command line only, where the kernels of distributions do not look',
  where: 'github.com/firecracker-microvm/firecracker',
};

export const firecrackerDriver: VmmDriver = {
  name: 'firecracker',
  deviceName: disk => `vd${String.fromCharCode(97 + disk)}`,
  channelArgument: () => `vsock:${guestPort}`,
  modules: () => ['virtio_mmio', 'virtio_blk', 'vmw_vsock_virtio_transport'],
  probe: options => probeProgram(rule, start, options),
  start,
  // Its console went to the process that started it, and with it.
  find(record, directory) {
    const process = MachineProcess.find(record.process);
    return process && machineOf(record, directory, process, new ConsoleTail());
  },
};

async function start(options: MachineOptions): Promise<Machine> {
  checkOptions(options);
  const { directory, channels, restore: state, keepMemory, signal } = options;
  const machine = { ...options, user: kvmUser(options.user) };
  using files = new MachineFiles(machine);
  // Two files, then the disks: a saved state names disks by the numbers that they had.
  const payload = state === undefined ? addPayload(files, machine) : addState(files, state);
  const disks = machine.disks.map(disk => files.addDiskPath(disk));
  if (keepMemory !== undefined) prepareStaging(directory, machine.user);
  const daemon = await launch({
    program: requireProgram(rule),
    // Its log goes to standard output, too, and only what went wrong is to be among the guest's words.
    arguments: ['--api-sock', apiSocket, '--level', 'Error'],
    machine,
    descriptors: files.list,
    readOutput: true,
    ready: apiSocket,
  });
  const process = new MachineProcess(daemon);
  const tail = new ConsoleTail();
  daemon.stdout?.on('data', (chunk: Buffer) => tail.append(chunk));
  try {
    const api = openApi(directory, process);
    if (state === undefined) await boot(api, rule, machine, { payload, disks });
    else await restore(api, state, payload, signal);
  } catch (error) {
    throw await giveUp(error, process, tail);
  }
  const record: MachineRecord = {
    vmm: 'firecracker',
    process: process.identity,
    channels,
    acceleration: 'kvm',
  };
  return machineOf(record, directory, process, tail);
}

function addPayload(files: MachineFiles, { kernel, initramfs }: MachineOptions): readonly [string, string] {
  return [files.addReadable(kernel.vmlinux!), files.addReadable(initramfs)];
}

function machineOf(
  record: MachineRecord,
  directory: string,
  process: MachineProcess,
  tail: ConsoleTail,
): Machine {
  const api = openApi(directory, process);
  return new ApiMachine({
    record,
    directory,
    process,
    console: tail,
    vsock: vsockSocket,
    save: hasStaging(directory) ? to => save(api, directory, to) : undefined,
  });
}
