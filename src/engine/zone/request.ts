import type { LaunchTimes, ZoneStreams } from '../../zone/index.ts';
import type { ImageOptions, WarningSummary } from '../options.ts';
import type { ZoneFormat } from './artifact.ts';

export type { LaunchTimes, ZoneStreams, ZoneTerminal } from '../../zone/index.ts';

export type VmmChoice = 'auto' | 'qemu' | 'firecracker' | 'cloud-hypervisor' | 'uml';

/** What can be done to a process while it runs; for `onStart`. */
export interface ZoneControl {
  readonly id: string;
  readonly name: string;
  /** Sends the process a signal, such as `SIGTERM`; one that the guest's kernel does not have, or that comes too late, is ignored. */
  signal(name: string): void;
  /** Lets go of the process, which goes on; the call resolves with no status. Does nothing for a process of `execZone`. */
  detach(): void;
}

/** How a process ended. */
export interface ZoneEnd {
  /** As a shell reports it: 128 and the number of a signal, 126 and 127 where it could not be started. `undefined`: it goes on without us. */
  readonly status: number | undefined;
  /** What ended it, `SIGKILL`. */
  readonly signal?: string | undefined;
  readonly outOfMemory?: boolean | undefined;
  readonly timedOut?: boolean | undefined;
  /** Why it could not be executed, where the status is 126 or 127 for that. */
  readonly failure?: string | undefined;
}

/** What is run, and in what machine. `memory` is the zone's own, in bytes. */
export interface RunRequest extends Omit<ImageOptions, 'memory'> {
  /** Instead of the image's own. */
  readonly command?: readonly string[] | undefined;
  /** Instead of the image's own, whose command is then not used; empty: none. */
  readonly entrypoint?: string | undefined;
  /** `NAME=value`; added to the image's. */
  readonly env?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly name?: string | undefined;
  readonly hostname?: string | undefined;
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
  /** Whether the zone is removed when it has ended. */
  readonly remove?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  /** `PATH[:OPTIONS]`. */
  readonly tmpfs?: readonly string[] | undefined;
  readonly network?: 'none' | 'user' | undefined;
  /** `[HOST:]HOSTPORT:PORT[/udp]`. */
  readonly publish?: readonly string[] | undefined;
  readonly kernel?: string | undefined;
  readonly kernelArguments?: readonly string[] | undefined;
  readonly vmm?: VmmChoice | undefined;
  readonly machine?: 'microvm' | 'q35' | undefined;
  readonly acceleration?: 'auto' | 'kvm' | 'tcg' | undefined;
  /** Milliseconds, of the whole workload. */
  readonly timeout?: number | undefined;
  /** Milliseconds, until the zone is ready to start it. */
  readonly bootTimeout?: number | undefined;
  /** Bytes of the tmpfs that holds what is written. */
  readonly upperSize?: number | undefined;
  /** Bytes of a disk that holds what is written, instead of a tmpfs. */
  readonly scratch?: number | undefined;
  /** `NAME|FILE|DIRECTORY:PATH[:ro]`. */
  readonly volumes?: readonly string[] | undefined;
  readonly verity?: boolean | undefined;
  readonly warm?: boolean | undefined;
  /** Resolves as soon as the workload runs, with no status. */
  readonly detach?: boolean | undefined;
  /** Whether the workload is process 1 of its pid namespace. */
  readonly first?: boolean | undefined;
  /** Of the image's disk; `squashfs` if absent. */
  readonly format?: ZoneFormat | undefined;
  readonly streams: ZoneStreams;
  /** The workload runs. From here on an aborted `signal` kills the zone; before, it gives the launch up. */
  readonly onStart?: ((zone: ZoneControl) => void) | undefined;
  /** What the guest writes to its console, as it comes. */
  readonly onConsole?: ((text: string) => void) | undefined;
  readonly onTimes?: ((times: LaunchTimes) => void) | undefined;
  /** What a user should know of the machine that was chosen: that it is emulated, that its isolation is weaker, that it is started again. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface RunResult extends ZoneEnd {
  readonly id: string;
  readonly name: string;
  readonly times: LaunchTimes;
  /** Of rendering the image; absent where it was there. */
  readonly warnings?: WarningSummary | undefined;
}

export interface ExecRequest {
  readonly root?: string | undefined;
  readonly command: readonly string[];
  readonly env?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly streams: ZoneStreams;
  readonly onStart?: ((zone: ZoneControl) => void) | undefined;
  /** Gives the process up: it is hung up, and killed two seconds later. */
  readonly signal?: AbortSignal | undefined;
}

export interface AttachRequest {
  readonly root?: string | undefined;
  readonly streams: ZoneStreams;
  readonly onStart?: ((zone: ZoneControl) => void) | undefined;
  /** Lets go of the workload, which goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** Where zones are looked for, and when to give up. */
export interface ZoneOptions {
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface StopRequest extends ZoneOptions {
  /** Milliseconds between the image's stop signal and SIGKILL; 10 seconds if absent. */
  readonly grace?: number | undefined;
}

export interface KillRequest extends ZoneOptions {
  /** `SIGKILL` if absent, which also cuts the machine off. */
  readonly send?: string | undefined;
}

export interface RemoveRequest extends ZoneOptions {
  /** Kills what still runs. */
  readonly force?: boolean | undefined;
}

export interface LogRecord {
  readonly time: Date;
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

export interface LogsRequest extends ZoneOptions {
  /** Goes on until the zone ends. */
  readonly follow?: boolean | undefined;
  /** What it returns is awaited before the next one is given. */
  readonly onRecord: (record: LogRecord) => void | Promise<void>;
  /** What was there has been given, and what comes now is new; awaited. */
  readonly onCaughtUp?: (() => void | Promise<void>) | undefined;
}

export interface CommitRequest extends ZoneOptions {
  readonly message?: string | undefined;
  readonly author?: string | undefined;
  /** Instructions as a Dockerfile has them: `CMD ["sh"]`, `ENV A=1`, `USER`, `WORKDIR`, `ENTRYPOINT`, `LABEL`, `EXPOSE`, `STOPSIGNAL`. */
  readonly changes?: readonly string[] | undefined;
}

/** A kernel package's name, a `.deb`, a directory with one unpacked, or an image (`docker://…`, `oci:…`, `cache:…`, or any name with a slash). */
export interface InstallKernelRequest extends ImageOptions {
  readonly from?: string | undefined;
  /** What is being done, in a few words. */
  readonly onStep?: ((text: string) => void) | undefined;
}
