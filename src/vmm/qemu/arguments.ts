import { isIP, isIPv4 } from 'node:net';
import { VmmError } from '../error.ts';
import type { Acceleration, MachineShape, PublishedPort, QemuMachine } from '../machine.ts';

/** A disk as QEMU has it: the number of an inherited descriptor. */
export interface InheritedDisk {
  readonly descriptor: number;
  readonly readOnly: boolean;
}

export interface QemuArguments extends MachineShape {
  readonly disks: readonly InheritedDisk[];
  readonly publish: readonly PublishedPort[];
  /** What is booted; undefined when a state is restored, which has the kernel in its memory. */
  readonly boot:
    | { readonly kernel: string; readonly initramfs: string; readonly commandLine: string }
    | undefined;
  /** A file that holds the guest's memory. */
  readonly memoryFile: { readonly path: string; readonly share: boolean } | undefined;
  /** Whether it goes on from a saved state. */
  readonly restored: boolean;
}

/** Names of sockets in the machine's directory. */
export const monitorSocket = 'monitor';
export const consoleSocket = 'console';
export const channelSocket = (channel: number) => `channel-${channel}`;

/** As many virtio devices as a microvm has transports, less those for the channels and the network, and the first. */
export const mostDisks = 21;

/** The command line of QEMU. Paths of the host are in it nowhere: descriptors, and names in the machine's directory. */
export function qemuArguments(of: QemuArguments): string[] {
  const { machine = 'microvm', acceleration = 'tcg', boot, restored, memoryFile } = of;
  const bus = busNames(machine);
  const backend = memoryFile === undefined ? '' : ',memory-backend=memory';
  return [
    ...['-M', `${machines[machine]}${backend}`],
    ...(machine === 'microvm' ? ['-bios', 'qboot.rom'] : []),
    ...['-accel', acceleration, '-cpu', processors[acceleration]],
    ...['-smp', String(of.cpus), '-m', `${of.memory}b`],
    ...(memoryFile === undefined ? [] : ['-object', memoryObject(memoryFile, of.memory)]),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...(boot === undefined
      ? []
      : ['-kernel', boot.kernel, '-initrd', boot.initramfs, '-append', boot.commandLine]),
    ...of.disks.flatMap((disk, index) => diskArguments(disk, index, bus)),
    ...channelArguments(of.channels, bus),
    ...(of.network === 'user' ? networkArguments(of.publish, bus) : []),
    ...['-chardev', socket('console', consoleSocket), '-serial', 'chardev:console'],
    // The last socket to come into being: when it is there, all are.
    ...['-chardev', socket('monitor', monitorSocket), '-mon', 'chardev=monitor,mode=control'],
    // It waits for being told from where (`restoreState`).
    ...(restored ? ['-incoming', 'defer'] : []),
  ];
}

const machines: Readonly<Record<QemuMachine, string>> = {
  microvm: 'microvm,acpi=on,ioapic2=on,pic=off',
  q35: 'q35,usb=off,smbus=off,sata=off,vmport=off,graphics=off',
};

/**
 * Under emulation all that TCG knows, x86-64-v3 with it, less two features. ERMS: kernel and libc would copy and clear
 * memory with `rep movsb`, which TCG does a byte at a time (1.12 s of processor time to the first program of init with
 * it, 1.02 s without). LA57: a fifth level of page tables to be walked. A model as old as `qemu64` boots no faster.
 */
const processors: Readonly<Record<Acceleration, string>> = {
  kvm: 'host',
  tcg: 'max,-erms,-la57',
};

/** What a saved state depends on besides QEMU's version and the shape of the machine. */
export function platform({ machine = 'microvm', acceleration = 'tcg' }: Partial<MachineShape>): string {
  return `${machines[machine]} ${processors[acceleration]}`;
}

/** Nobody has to be at the other end: what is written then is dropped. */
const socket = (id: string, name: string) => `socket,id=${id},path=${name},server=on,wait=off`;

function memoryObject({ path, share }: { path: string; share: boolean }, bytes: number): string {
  return `memory-backend-file,id=memory,size=${bytes}b,mem-path=${path},share=${share ? 'on' : 'off'}`;
}

interface BusNames {
  /** Name of a kind of virtio device, and its place. */
  device(kind: string, index: number): string;
}

/**
 * Places are said explicitly, so that the guest finds disk `i` as the i-th. The first transport of a microvm is left
 * out: its interrupt, the first one of the second I/O APIC, never arrives.
 */
function busNames(machine: QemuMachine): BusNames {
  if (machine === 'microvm') {
    // Linux finds the transports from the last to the first, so the first disk has the last of theirs.
    const transport = (kind: string, index: number) => (kind === 'blk' ? mostDisks - index : index + 1);
    return {
      device: (kind, index) => `virtio-${kind}-device,bus=virtio-mmio-bus.${transport(kind, index)}`,
    };
  }
  return { device: (kind, index) => `virtio-${kind}-pci,addr=0x${(index + 2).toString(16)},romfile=` };
}

const errors = 'werror=report,rerror=report';

function diskArguments({ descriptor, readOnly }: InheritedDisk, index: number, bus: BusNames): string[] {
  const mode = `read-only=${readOnly ? 'on' : 'off'}`;
  return [
    ...['-add-fd', `fd=${descriptor},set=${index}`],
    '-blockdev',
    `driver=file,node-name=disk${index},filename=/dev/fdset/${index},locking=off,discard=unmap,${mode}`,
    // A full disk of the host is an I/O error in the guest; QEMU by itself would stop the machine, for good.
    ...['-device', `${bus.device('blk', index)},drive=disk${index},serial=disk${index},${errors}`],
  ];
}

function channelArguments(channels: number, bus: BusNames): string[] {
  // Port 0 is for a console; `max_ports` counts it.
  const ports = Array.from({ length: channels }, (_, channel) => [
    ...['-chardev', socket(`channel${channel}`, channelSocket(channel))],
    ...['-device', `virtserialport,chardev=channel${channel},name=shale.${channel},nr=${channel + 1}`],
  ]);
  return ['-device', `${bus.device('serial', mostDisks)},max_ports=${channels + 1}`, ...ports.flat()];
}

function networkArguments(publish: readonly PublishedPort[], bus: BusNames): string[] {
  const forwards = publish.map(forward);
  return [
    ...['-netdev', ['user,id=network,restrict=off,ipv6=off', ...forwards].join(',')],
    ...['-device', `${bus.device('net', mostDisks + 1)},netdev=network`],
  ];
}

function forward({ host, hostPort, guestPort, protocol }: PublishedPort): string {
  for (const port of [hostPort, guestPort]) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new VmmError('invalid', `${port} is no port`, { detail: { port } });
    }
  }
  if (!isIPv4(host)) {
    const why = isIP(host) === 0 ? 'is no address' : 'is an IPv6 address, which QEMU cannot publish on';
    throw new VmmError('invalid', `${JSON.stringify(host)} ${why}`, {
      hint: 'give an IPv4 address of this machine',
    });
  }
  return `hostfwd=${protocol === 'udp' ? 'udp' : 'tcp'}:${host}:${hostPort}-:${guestPort}`;
}
