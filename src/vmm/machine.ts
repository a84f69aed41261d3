import type { ProcessIdentity } from '../host/index.ts';
import type { ConsoleTail } from './console.ts';

export const vmmNames = ['qemu', 'firecracker', 'cloud-hypervisor', 'uml'] as const;
export type VmmName = (typeof vmmNames)[number];
export type Acceleration = 'kvm' | 'tcg';
export type QemuMachine = 'microvm' | 'q35';

/** A disk of a machine. The driver opens the path; the hypervisor gets the descriptor and never sees a name. */
export interface Disk {
  readonly path: string;
  readonly readOnly: boolean;
}

/** What the guest listens on, reachable from the host (`network: 'user'` only). */
export interface PublishedPort {
  /** An address of the host, `127.0.0.1`. */
  readonly host: string;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** The kernel in the forms that there are. A driver that needs the one which is not there says `unsupported`. */
export interface MachineKernel {
  /** An uncompressed ELF image; for `uml` the program itself. */
  readonly vmlinux?: string | undefined;
  readonly bzImage?: string | undefined;
}

/** What decides which devices a machine has, and with them which modules its kernel needs. */
export interface MachineShape {
  readonly memory: number /* bytes */;
  readonly cpus: number;
  /** How many conversations the host can have with the guest at once. */
  readonly channels: number;
  readonly network: 'none' | 'user';
  /** QEMU only; `tcg` and `microvm` if not given. */
  readonly acceleration?: Acceleration | undefined;
  readonly machine?: QemuMachine | undefined;
}

export interface MachineOptions extends MachineShape {
  /**
   * The machine's own directory: there, 0700, and nobody else's. It holds sockets and FIFOs, and is the working
   * directory of the hypervisor. The caller removes it after the end of the machine.
   */
  readonly directory: string;
  readonly kernel: MachineKernel;
  /** Path of the initramfs. */
  readonly initramfs: string;
  /** Words for the kernel's command line, after the driver's own. */
  readonly commandLine: readonly string[];
  /** Seen as `deviceName(0)`, `deviceName(1)`, … in this order. */
  readonly disks: readonly Disk[];
  readonly publish?: readonly PublishedPort[] | undefined;
  /** Whom the hypervisor runs as; only when Shale is root. The directory is given to this user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Start from a saved state in place of booting. The shape and the sizes of the disks must be those of the state. */
  readonly restore?: SavedState | undefined;
  /** Path of a file that is to hold the guest's memory, so that the machine can be saved. It is created, sparse. */
  readonly keepMemory?: string | undefined;
  /** Called with the hypervisor's process before it becomes the hypervisor: one that nobody knows of cannot outlive us. What it throws ends the start. */
  readonly onProcess?: ((process: ProcessIdentity) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A machine that was saved; JSON-able. `directory` holds all of it and may be renamed as a whole (say the new name here). */
export interface SavedState {
  readonly vmm: VmmName;
  readonly directory: string;
  /** Names in `directory`. `memory` is sparse and never written again: machines that are restored share it. */
  readonly device: string;
  readonly memory?: string | undefined;
  /** What the memory file was like when it was complete: one that was written to since is not used. */
  readonly seal?: string | undefined;
  /** What else the machine was made of: a state is restored on the same only. */
  readonly platform?: string | undefined;
  /** What made it: a state is restored by the same version only. */
  readonly version: string;
}

/** All that it takes to find a running machine again, from another process. JSON-able. */
export interface MachineRecord {
  readonly vmm: VmmName;
  readonly process: ProcessIdentity;
  readonly channels: number;
  readonly acceleration?: Acceleration | undefined;
  /** As a saved state of it would have it. */
  readonly platform?: string | undefined;
}

/** How the hypervisor ended. Exactly one of `status` and `signal` is defined if this process started it, else none. */
export interface MachineEnd {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** The last that the hypervisor itself said. */
  readonly stderr: string;
}

/**
 * A running machine. It is a process of its own session: it hears nothing of the terminal and outlives this process,
 * whether it is detached or not.
 */
export interface Machine {
  readonly record: MachineRecord;
  /** What the guest wrote on its console; of a found machine only what it wrote since. */
  readonly console: ConsoleTail;
  /**
   * Opens a channel. Waits while the machine is coming up; VmmError `unavailable` if it ended or the time is over.
   * Somebody else may have the channel: of QEMU's and UML's, only one has an answer at a time.
   */
  connect(
    channel: number,
    options?: { signal?: AbortSignal | undefined; timeout?: number },
  ): Promise<ByteChannel>;
  /** Resolves when the process is gone; never rejects. */
  readonly ended: Promise<MachineEnd>;
  /** Cuts the machine off (SIGKILL) and waits for its end. Nothing happens if it has ended. */
  kill(): Promise<void>;
  /**
   * Pauses the machine and saves it in `directory`; only where the driver can, and the machine was started with
   * `keepMemory` in that directory. The machine stays paused: the caller kills it.
   */
  save?(to: { readonly directory: string }): Promise<SavedState>;
  /** Lets go: nothing of the machine keeps this process alive any more. `ended` may then never resolve. */
  detach(): void;
}

/** A byte stream to the guest and back. */
export interface ByteChannel extends Disposable {
  /** What the guest sends, until it hangs up. One reader. Ends without an error when the channel is disposed. */
  read(): AsyncIterable<Uint8Array>;
  /** Resolves when the bytes were taken; VmmError `unavailable` if nobody is there any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** So many bytes at most are to be written at once, for them to arrive whole or not at all. */
  readonly maximumWrite: number | undefined;
}

export interface ProbeOptions {
  /** With kernel and initramfs, acceleration is decided by booting them: that /dev/kvm opens proves nothing. */
  readonly kernel?: MachineKernel | undefined;
  readonly initramfs?: string | undefined;
  /** How long a sign of life may take, in milliseconds; 3000 if not given. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was found out by trying. JSON-able, to be kept. */
export interface VmmProbe {
  readonly usable: boolean;
  /** The program as found, absolute. */
  readonly program?: string | undefined;
  readonly version?: string | undefined;
  readonly acceleration?: Acceleration | undefined;
  /** Why it is not usable, or why only so. */
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

export interface VmmDriver {
  readonly name: VmmName;
  /** The guest's name of a disk, without `/dev/`: `vda`. */
  deviceName(disk: number): string;
  /** The value of `shale.channels=` on the kernel's command line: `virtio:8`. The driver adds that word itself. */
  channelArgument(channels: number): string;
  /** The modules that the kernel needs for these devices; those which it has built in are named too. */
  modules(shape: Pick<MachineShape, 'network' | 'machine'>): readonly string[];
  /** By trying. Never throws but `cancelled`. */
  probe(options?: ProbeOptions): Promise<VmmProbe>;
  /** Resolves when the hypervisor process was started and its channels can be asked for; the guest still boots. */
  start(options: MachineOptions): Promise<Machine>;
  /** A machine of another process; `undefined` when it is gone. `directory` is where it was started. */
  find(record: MachineRecord, directory: string): Machine | undefined;
}
