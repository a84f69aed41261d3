import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../../error/index.ts';
import type { ProcessIdentity } from '../../host/index.ts';
import type { MachineRecord } from '../../vmm/index.ts';

/** A volume as a zone has it. */
export interface ZoneVolume {
  /** Its file on the host. */
  readonly file: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** What of a zone is known to the host beyond its life: `zone.json` in its directory. */
export interface ZoneRecord {
  readonly version: 1;
  /** 12 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** What it calls itself. */
  readonly hostname: string;
  readonly image: {
    /** As the user said it. */
    readonly reference: string;
    readonly manifest: string;
    readonly config: string;
  };
  readonly command: readonly string[];
  readonly user: string;
  readonly stopSignal: string;
  /** ISO 8601. */
  readonly created: string;
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly network: 'none' | 'user';
  readonly terminal: boolean;
  /** Whether its standard input is somebody's. */
  readonly interactive: boolean;
  readonly kernel: string;
  readonly warm: boolean;
  readonly verity: boolean;
  readonly scratch: boolean;
  readonly volumes: readonly ZoneVolume[];
  /** Where it has a tmpfs because the user asked for it. */
  readonly tmpfs: readonly string[];
  /** It is removed once it has ended. */
  readonly remove: boolean;
  /** Who makes it, or is attached to it from the start. */
  readonly launcher?: ProcessIdentity | undefined;
  /** Whom the hypervisor runs as, if it has a user of its own. */
  readonly uid?: number | undefined;
  /** Absent until the machine is there. */
  readonly machine?: MachineRecord | undefined;
  /** How it ended, if who was attached knows more than the journal. */
  readonly end?: ZoneEnd | undefined;
}

/** The end of a zone that did not end by itself. */
export interface ZoneEnd {
  readonly ended: string;
  /** For people: why. */
  readonly reason: string;
  /** Somebody has cut its machine off. */
  readonly killed?: boolean | undefined;
}

export const recordFile = 'zone.json';

/** The record of a zone's directory; undefined if there is none (yet, or any more), or none that a crash has left whole. */
export function readRecord(directory: string): ZoneRecord | undefined {
  const path = join(directory, recordFile);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw wrapErrno(error, `cannot read ${path}`);
  }
  try {
    const record = JSON.parse(text) as ZoneRecord;
    return record.version === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}
