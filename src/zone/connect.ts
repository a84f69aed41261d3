import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type FileLock, throwIfAborted } from '../host/index.ts';
import { type Machine, vmmDriver } from '../vmm/index.ts';
import { lockChannel } from './channel.ts';
import { ZoneError } from './error.ts';
import { Conversation } from './protocol/index.ts';
import type { StoredZone } from './state/index.ts';

/** How long a running zone may take to take a connection, in milliseconds. */
const patience = 10_000;
/** How often a channel is asked for that somebody else has, in milliseconds. */
const pace = 20;

/** A conversation with a running zone, on a channel that is ours until this is disposed. */
export interface Connection extends Disposable {
  readonly machine: Machine;
  readonly conversation: Conversation;
}

/** The machine of a zone. ZoneError `invalid` if it does not run. */
export async function findMachine({ directory, record }: StoredZone): Promise<Machine> {
  const { machine: known, name } = record;
  const machine = known && (await vmmDriver(known.vmm)).find(known, join(directory, 'run'));
  if (machine !== undefined) return machine;
  throw new ZoneError('invalid', `the zone ${name} does not run`, { detail: { zone: record.id } });
}

/**
 * Begins a conversation with a running zone; waits while all of its channels are taken. ZoneError `invalid` if it does not run, `exhausted` if
 * none gets free.
 */
export async function connectZone(zone: StoredZone, signal?: AbortSignal): Promise<Connection> {
  const machine = await findMachine(zone);
  try {
    const { channel, lock } = await takeChannel(zone, machine.record.channels, signal);
    try {
      const conversation = new Conversation(await machine.connect(channel, { signal, timeout: patience }));
      return {
        machine,
        conversation,
        [Symbol.dispose]() {
          conversation[Symbol.dispose]();
          machine.detach();
          lock[Symbol.dispose]();
        },
      };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    machine.detach();
    throw error;
  }
}

/** The last ones first: the first is the launcher's, and free only when that is gone. */
async function takeChannel(
  { directory, record }: StoredZone,
  channels: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly channel: number; readonly lock: FileLock }> {
  for (const end = performance.now() + patience; performance.now() < end; ) {
    for (let channel = channels - 1; channel >= 0; channel -= 1) {
      const lock = lockChannel(directory, channel);
      if (lock !== undefined) return { channel, lock };
    }
    throwIfAborted(signal);
    await setTimeout(pace);
  }
  throw new ZoneError('exhausted', `the zone ${record.name} has ${channels} conversations already`, {
    detail: { zone: record.id, channels },
    hint: 'try again when another exec has ended',
  });
}
