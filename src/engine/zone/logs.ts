import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { findDataRoot } from '../../host/index.ts';
import { readJournal } from '../../zone/disk/journal.ts';
import { isAlive, journalFile, Zones } from '../../zone/index.ts';
import type { LogsRequest } from './request.ts';

/** How often the journal is looked at, in milliseconds: as often as init writes it. */
const pace = 50;

/** Gives what a zone's workload wrote last, as far back as its journal goes; and goes on as it writes, if asked to follow. */
export async function zoneLogs(text: string, request: LogsRequest): Promise<void> {
  const { root = findDataRoot(), follow = false, onRecord, onCaughtUp, signal } = request;
  const { directory, record } = new Zones(root).find(text);
  let from: number | undefined;
  for (;;) {
    // Whether it goes on is asked first: what it wrote before it ended is then read.
    const alive = isAlive(record);
    const journal = readJournal(join(directory, journalFile), { from: from ?? 0 });
    for (const { time, stream, bytes } of journal.records) await onRecord({ time, stream, bytes });
    if (from === undefined) await onCaughtUp?.();
    from = journal.end;
    if (!follow || !alive || journal.state === 'ended' || signal?.aborted) return;
    await setTimeout(pace, undefined, { signal }).catch(() => {});
  }
}
