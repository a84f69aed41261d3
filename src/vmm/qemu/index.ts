/**
 * QEMU. Machine type `microvm` with an uncompressed kernel, which boots through PVH and qboot; `q35`, where a device or
 * a kernel needs PCI. Channels are ports of one virtio-serial device, with a unix socket each.
 *
 * A state is saved by way of QEMU's migration, less the memory: that is a file all the time (`keepMemory`), shared while
 * the machine runs that is to be saved, mapped privately by those that are restored from it. So nothing of it is read
 * until a guest touches it, and machines of one state share the page cache.
 */
import { findProgram } from '../../host/index.ts';
import { Descriptors } from '../descriptors.ts';
import { VmmError } from '../error.ts';
import { launch } from '../launch.ts';
import type { MachineOptions, MachineRecord, MachineShape, VmmDriver } from '../machine.ts';
import { MachineProcess } from '../machine-process.ts';
import { monitorSocket, mostDisks, platform, qemuArguments } from './arguments.ts';
import { commandLine } from './command-line.ts';
import { QemuMachine } from './machine.ts';
import { qemuProgram } from './program.ts';

export const qemuDriver: VmmDriver = {
  name: 'qemu',
  deviceName: disk => `vd${String.fromCharCode(97 + disk)}`,
  channelArgument: channels => `virtio:${channels}`,
  modules,
  probe: async options => (await import('./probe.ts')).probeQemu(start, options),
  start,
  find(record, directory) {
    const process = MachineProcess.find(record.process);
    return process && new QemuMachine(record, process, directory);
  },
};

function modules({
  network,
  machine = 'microvm',
}: Pick<MachineShape, 'network' | 'machine'>): readonly string[] {
  const transport = machine === 'microvm' ? 'virtio_mmio' : 'virtio_pci';
  return [transport, 'virtio_blk', 'virtio_console', ...(network === 'user' ? ['virtio_net'] : [])];
}

async function start(options: MachineOptions): Promise<QemuMachine> {
  const { disks, kernel, restore, keepMemory, machine = 'microvm', acceleration = 'tcg' } = options;
  const program = findProgram(qemuProgram);
  if (program === undefined) {
    throw new VmmError('not-found', `there is no ${qemuProgram}`, { hint: 'install qemu-system-x86' });
  }
  if (disks.length > mostDisks) throw new VmmError('exhausted', `a machine has at most ${mostDisks} disks`);
  const image = machine === 'microvm' ? kernel.vmlinux : (kernel.bzImage ?? kernel.vmlinux);
  if (image === undefined) {
    throw new VmmError('unsupported', 'a microvm boots an uncompressed kernel only', {
      hint: 'use --machine q35',
    });
  }
  if (restore !== undefined && restore.platform !== platform(options)) {
    throw new VmmError('unsupported', 'the saved state is of another kind of machine', {
      detail: { restore },
    });
  }
  using files = new Descriptors(options);
  const inherited = disks.map(disk => ({ descriptor: files.addDisk(disk), readOnly: disk.readOnly }));
  const boot =
    restore === undefined
      ? {
          kernel: files.addReadable(image),
          initramfs: files.addReadable(options.initramfs),
          commandLine: commandLine(options),
        }
      : undefined;
  // What boots, and is not to be saved, needs none of that code.
  const memory = restore === undefined && keepMemory === undefined ? undefined : await import('./memory.ts');
  const state = restore && memory!.openState(restore, files);
  const memoryFile =
    state?.memoryFile ??
    (keepMemory === undefined ? undefined : memory!.createMemory(keepMemory, options, files));
  const programArguments = qemuArguments({
    ...options,
    acceleration,
    machine,
    disks: inherited,
    publish: options.publish ?? [],
    boot,
    memoryFile,
    restored: state !== undefined,
  });
  const daemon = await launch({
    program,
    arguments: programArguments,
    machine: options,
    groups: acceleration === 'kvm' ? (await import('./probe.ts')).kvmGroups() : [],
    descriptors: files.list,
    ready: monitorSocket,
  });
  const record: MachineRecord = {
    vmm: 'qemu',
    process: daemon.identity,
    channels: options.channels,
    acceleration,
    platform: platform(options),
  };
  const started = new QemuMachine(record, new MachineProcess(daemon), options.directory);
  if (state !== undefined) {
    const { restoreState } = await import('./state.ts');
    try {
      await restoreState(options.directory, restore!, state.incoming, started.ended);
    } catch (error) {
      await started.kill();
      throw error;
    }
  }
  // Its own words say more than that nobody answers, should it have ended meanwhile.
  await started.readConsole().catch(() => {});
  return started;
}
