import { setTimeout } from 'node:timers/promises';
import { findDataRoot } from '../../host/index.ts';
import {
  connectZone,
  findMachine,
  hasMachine,
  isAlive,
  parseSignal,
  type StoredZone,
  toGuest,
  ZoneError,
  Zones,
} from '../../zone/index.ts';
import { summarise } from './list.ts';
import type { ZoneSummary } from './report.ts';
import type { KillRequest, RemoveRequest, StopRequest } from './request.ts';
import { stopSignalNumber } from './wishes.ts';

const defaultGrace = 10_000;
/** How long a guest may take to hear of a signal, in milliseconds. */
const patience = 5000;
/** What the guest needs to end after the workload has, in milliseconds; then its machine is cut off. */
const lateness = 3000;

/** Ends zones: their workloads get the image's stop signal and, after the grace, SIGKILL. One that does not run is left as it is. */
export async function stopZones(texts: readonly string[], request: StopRequest = {}): Promise<ZoneSummary[]> {
  const { root = findDataRoot(), grace = defaultGrace, signal } = request;
  return await each(texts, root, async (zones, zone) => {
    if (hasMachine(zone.record)) await stop(zones, zone, grace, signal);
  });
}

async function stop(
  zones: Zones,
  zone: StoredZone,
  grace: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    using connection = await connectZone(zone, signal);
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(stopSignalNumber(zone.record.stopSignal), 0);
    payload.writeUInt32LE(Math.min(Math.max(Math.round(grace), 0), 0xffffffff), 4);
    await connection.conversation.send(toGuest.stop, payload);
    const controller = new AbortController();
    const late = setTimeout(grace + lateness, undefined, { signal: controller.signal }).catch(() => {});
    await Promise.race([connection.machine.ended, late]);
    controller.abort();
  } catch (error) {
    if (signal?.aborted) throw error;
    // A guest that does not talk any more has had its grace.
  }
  if (hasMachine(zone.record)) await cutOff(zones, zone, 'stopped, and did not end');
}

/** Sends a signal to the workloads of zones; SIGKILL, if none is named, ends their machines. ZoneError `invalid` for one that does not run. */
export async function killZones(texts: readonly string[], request: KillRequest = {}): Promise<ZoneSummary[]> {
  const { root = findDataRoot(), send = 'SIGKILL', signal } = request;
  const number = parseSignal(send);
  return await each(texts, root, async (zones, zone) => {
    if (number === 9) return await cutOff(zones, zone, 'killed');
    using connection = await connectZone(zone, signal);
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(number);
    connection.conversation.send(toGuest.signal, payload).catch(() => {});
    connection.conversation.send(toGuest.status).catch(() => {});
    // Its answer says that what was sent before has been read.
    const answer = connection.conversation.receive();
    answer.catch(() => {});
    const late = Symbol('late');
    const outcome = await Promise.race([answer, setTimeout(patience, late, { ref: false })]);
    if (outcome === late) throw silent(zone);
  });
}

async function cutOff(zones: Zones, zone: StoredZone, reason: string): Promise<void> {
  const machine = await findMachine(zone);
  const end = { ended: new Date().toISOString(), reason, killed: true };
  zones.update(zone.record.id, record => ({ ...record, end }));
  await machine.kill();
}

/** Removes zones that have ended. ZoneError `conflict` for one that runs, unless it is to be forced; `'all'` passes those over. */
export async function removeZones(
  texts: readonly string[] | 'all',
  request: RemoveRequest = {},
): Promise<ZoneSummary[]> {
  const { root = findDataRoot(), force = false } = request;
  const zones = new Zones(root);
  const chosen = texts === 'all' ? zones.all() : texts.map(text => zones.find(text));
  const removed: ZoneSummary[] = [];
  for (const zone of chosen) {
    const { id, name } = zone.record;
    if (isAlive(zone.record)) {
      if (!force && texts === 'all') continue;
      if (!force) {
        throw new ZoneError('conflict', `the zone ${name} runs`, {
          detail: { zone: id },
          hint: `shale zone stop ${name}, or remove it with --force`,
        });
      }
      if (hasMachine(zone.record)) await cutOff(zones, zone, 'removed');
    }
    removed.push(summarise(zone));
    zones.remove(id);
  }
  return removed;
}

/** What has become of each is told in the end. A zone that was to be removed at its end may be gone by then. */
async function each(
  texts: readonly string[],
  root: string,
  act: (zones: Zones, zone: StoredZone) => Promise<void>,
): Promise<ZoneSummary[]> {
  const zones = new Zones(root);
  const chosen = texts.map(text => zones.find(text));
  await Promise.all(chosen.map(zone => act(zones, zone)));
  const summaries = chosen.map(({ directory, record }) => {
    try {
      return summarise(zones.find(record.id));
    } catch {
      return {
        ...summarise({ directory, record: { ...record, machine: undefined } }),
        state: 'exited' as const,
      };
    }
  });
  zones.sweep();
  return summaries;
}

function silent({ record }: StoredZone): ZoneError {
  return new ZoneError('unavailable', `the zone ${record.name} does not answer`, {
    detail: { zone: record.id, timeout: patience },
    hint: `shale zone kill ${record.name} cuts its machine off`,
  });
}
