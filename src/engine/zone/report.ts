export type ZoneState = 'running' | 'exited' | 'failed' | 'lost';

/** One zone, in a line. `lost`: its machine is gone, and nothing says how it ended. */
export interface ZoneSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly state: ZoneState;
  /** Of the workload, as a shell reports it; absent while it runs. */
  readonly status?: number | undefined;
  /** ISO 8601. */
  readonly created: string;
  readonly ended?: string | undefined;
  readonly vmm: string;
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  /** Of the machine on the host, while it runs. */
  readonly pid?: number | undefined;
}

/** All that is known of one zone; more than is listed here may be there. */
export interface ZoneReport extends ZoneSummary {
  /** Whether its command reads standard input, and whether it has a terminal. */
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly [detail: string]: unknown;
}

export interface CommitResult {
  readonly reference: string;
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly layer: {
    readonly digest: string;
    /** Bytes, compressed. */
    readonly size: number;
    readonly diffId: string;
    readonly entries: number;
  };
}

export interface KernelSummary {
  readonly name: string;
  readonly release: string;
  /** Of the kernel image. */
  readonly digest: string;
  /** Of all that is kept of it. */
  readonly bytes: number;
  readonly modules: number;
  /** Whether zones have it if nothing is said. */
  readonly isDefault: boolean;
  /** ISO 8601. */
  readonly installed: string;
}

export interface VolumeSummary {
  readonly name: string;
  readonly path: string;
  /** How large it may become, and what it takes on the disk now. */
  readonly size: number;
  readonly used: number;
  /** Names of the running zones that have it. */
  readonly zones: readonly string[];
}

export interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean | 'degraded';
  readonly detail: string;
  readonly hint?: string | undefined;
}

export interface DoctorReport {
  readonly checks: readonly DoctorCheck[];
  /** Whether a zone can run here at all. */
  readonly usable: boolean;
  /** Whether images can be mounted here: a driver of snapshots works. Absent where that was not tried. */
  readonly mountable?: boolean;
}
