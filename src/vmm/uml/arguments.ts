import type { MachineOptions } from '../machine.ts';

/** A machine's files as descriptors, or paths that lead to them. */
export interface UmlArguments extends Pick<MachineOptions, 'memory' | 'channels' | 'commandLine'> {
  readonly initramfs: string;
  readonly disks: readonly { readonly path: string; readonly readOnly: boolean }[];
  /** Descriptors of FIFOs: to the guest, from the guest. */
  readonly console: FifoPair;
  readonly channelPipes: readonly FifoPair[];
}

export interface FifoPair {
  readonly toGuest: number;
  readonly fromGuest: number;
}

/** Names of FIFOs in the machine's directory. */
export const fifoNames = (what: string) => ({ toGuest: `${what}-in`, fromGuest: `${what}-out` });
export const channelName = (channel: number) => `channel-${channel}`;
export const consoleName = 'console';
/** The directory that the kernel makes for its pid and its management socket. */
export const machineName = 'machine';

/** The command line of User-Mode Linux, which is that of the kernel: no path of the host is in it. */
export function umlArguments(of: UmlArguments): string[] {
  return [
    `mem=${Math.floor(of.memory / 1024)}K`,
    `initrd=${of.initramfs}`,
    ...of.disks.map(({ path, readOnly }, disk) => `ubd${letter(disk)}${readOnly ? 'r' : ''}=${path}`),
    ...of.channelPipes.map((pipes, channel) => `ssl${channel}=${pair(pipes)}`),
    ...[`con0=${pair(of.console)}`, 'con=null', 'ssl=null'],
    ...[`umid=${machineName}`, 'uml_dir=.', 'console=tty0', 'panic=-1', 'quiet'],
    `shale.channels=tty:0:${of.channels}`,
    ...of.commandLine,
  ];
}

export const letter = (disk: number) => String.fromCharCode(97 + disk);

const pair = ({ toGuest, fromGuest }: FifoPair) => `fd:${toGuest},fd:${fromGuest}`;
