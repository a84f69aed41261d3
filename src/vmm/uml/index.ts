/**
 * User-Mode Linux: a kernel of its own that is a program of the host. It needs neither root nor virtualisation, and its
 * guest is separated from the host by that program alone, with ptrace: weaker than a virtual machine.
 *
 * Channels are serial lines on two FIFOs each, which the kernel inherits open at both ends: nobody has to be at the
 * other end, and whoever comes later finds them by name.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { createFifos, findProgram } from '../../host/index.ts';
import { Descriptors } from '../descriptors.ts';
import { VmmError } from '../error.ts';
import { launch } from '../launch.ts';
import type { MachineOptions, MachineRecord, VmmDriver } from '../machine.ts';
import { MachineProcess } from '../machine-process.ts';
import {
  channelName,
  consoleName,
  type FifoPair,
  fifoNames,
  letter,
  machineName,
  umlArguments,
} from './arguments.ts';
import { UmlMachine } from './machine.ts';
import { probeUml } from './probe.ts';

/** UBD has 16 minors a disk and 16 disks. */
const mostDisks = 16;

export const umlDriver: VmmDriver = {
  name: 'uml',
  deviceName: disk => `ubd${letter(disk)}`,
  channelArgument: channels => `tty:0:${channels}`,
  modules: () => [],
  probe: options => probeUml(start, options),
  start,
  find(record, directory) {
    const process = MachineProcess.find(record.process);
    return process && new UmlMachine(record, process, directory);
  },
};

async function start(options: MachineOptions): Promise<UmlMachine> {
  const { directory, kernel, disks, channels } = options;
  if (options.network !== 'none') {
    throw new VmmError('unsupported', 'User-Mode Linux has no network here', {
      hint: 'use --network none or QEMU',
    });
  }
  if (options.restore !== undefined || options.keepMemory !== undefined) {
    throw new VmmError('unsupported', 'User-Mode Linux cannot save its state');
  }
  if (disks.length > mostDisks) throw new VmmError('exhausted', `a machine has at most ${mostDisks} disks`);
  const program = kernel.vmlinux === undefined ? undefined : findProgram(kernel.vmlinux);
  if (program === undefined) {
    throw new VmmError('not-found', 'there is no linux.uml', { hint: 'install user-mode-linux' });
  }
  const names = [consoleName, ...Array.from({ length: channels }, (_, channel) => channelName(channel))];
  await createFifos(names.flatMap(name => Object.values(fifoNames(name))).map(name => join(directory, name)));
  using files = new Descriptors(options);
  const pipes = names.map((name): FifoPair => {
    const { toGuest, fromGuest } = fifoNames(name);
    return {
      toGuest: files.addFile(join(directory, toGuest), constants.O_RDWR),
      fromGuest: files.addFile(join(directory, fromGuest), constants.O_RDWR),
    };
  });
  const daemon = await launch({
    program,
    arguments: umlArguments({
      ...options,
      initramfs: files.addReadable(options.initramfs),
      disks: disks.map(disk => ({ ...disk, path: files.addReopened(disk) })),
      console: pipes[0]!,
      channelPipes: pipes.slice(1),
    }),
    machine: options,
    descriptors: files.list,
    // The guest's memory is a file without a name there.
    environment: { TMPDIR: '/dev/shm' },
    sharedMemory: options.memory,
    ready: join(machineName, 'pid'),
  });
  const record: MachineRecord = { vmm: 'uml', process: daemon.identity, channels };
  return new UmlMachine(record, new MachineProcess(daemon), directory);
}
