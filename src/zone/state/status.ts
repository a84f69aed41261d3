import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { isRunning } from '../../host/index.ts';
import { type JournalReport, readJournal } from '../disk/journal.ts';
import type { ZoneRecord } from './record.ts';

/**
 * `starting`: its launcher is at it; `running`; `exited`: the workload ended; `failed`: it could not be started; `lost`: the
 * machine is gone, and nobody knows how the workload ended.
 */
export type ZoneState = 'starting' | 'running' | 'exited' | 'failed' | 'lost';

export interface ZoneStatus {
  readonly state: ZoneState;
  /** What init wrote down; undefined if there is no journal. */
  readonly journal: JournalReport | undefined;
  /** Why it failed or was lost, for people. */
  readonly reason: string | undefined;
}

export const journalFile = 'journal';

/** Whether a process still has to do with the zone: its machine, or who is just making it. */
export function isAlive({ machine, launcher }: ZoneRecord): boolean {
  return (
    (machine !== undefined && isRunning(machine.process)) || (launcher !== undefined && isRunning(launcher))
  );
}

/** Whether the zone's machine is there. */
export function hasMachine({ machine }: ZoneRecord): boolean {
  return machine !== undefined && isRunning(machine.process);
}

/** Whether its launcher is gone before it could ask for the workload: the machine waits for what never comes. */
export function isAbandoned(directory: string, record: ZoneRecord): boolean {
  const { launcher } = record;
  if (launcher === undefined || isRunning(launcher) || !hasMachine(record)) return false;
  return readJournal(join(directory, journalFile)).state === 'empty';
}

/** What has become of a zone. */
export function zoneStatus(directory: string, record: ZoneRecord): ZoneStatus {
  const alive = hasMachine(record);
  const journal = findJournal(directory);
  const reason = record.end?.reason ?? journal?.failure?.text;
  if (journal?.state === 'ended') return { state: 'exited', journal, reason };
  if (alive) return { state: journal?.state === 'started' ? 'running' : 'starting', journal, reason };
  const unstarted = journal?.state !== 'started' && record.end?.reason !== undefined;
  if (journal?.state === 'failed' || unstarted) return { state: 'failed', journal, reason };
  if (record.machine === undefined && record.end === undefined && isAlive(record)) {
    return { state: 'starting', journal, reason };
  }
  return { state: 'lost', journal, reason };
}

/** A launch may fail before there is one. */
function findJournal(directory: string): JournalReport | undefined {
  try {
    return readJournal(join(directory, journalFile));
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'not-found') return undefined;
    throw error;
  }
}
