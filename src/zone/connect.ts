import { join } from 'node:path';
import { type FileLock, tryLock } from '../host/index.ts';
import { type Machine, vmmDriver } from '../vmm/index.ts';
import { ZoneError } from './error.ts';
import { channels } from './launch/index.ts';
import { Conversation } from './protocol/index.ts';
import type { StoredZone } from './state/index.ts';

/** How long a running zone may take to take a connection, in milliseconds. */
const patience = 10_000;

/** A conversation with a running zone, on a channel that is ours until this is disposed. */
export interface Connection extends Disposable {
  readonly machine: Machine;
  readonly conversation: Conversation;
}

/** The lock of a channel: of those processes that share a zone, one has it. */
export function lockChannel(directory: string, channel: number): FileLock | undefined {
  return tryLock(join(directory, `channel-${channel}.lock`));
}

/** The machine of a zone. ZoneError `invalid` if it does not run. */
export async function findMachine({ directory, record }: StoredZone): Promise<Machine> {
  const { machine: known, name } = record;
  const machine = known && (await vmmDriver(known.vmm)).find(known, join(directory, 'run'));
  if (machine !== undefined) return machine;
  throw new ZoneError('invalid', `the zone ${name} does not run`, { detail: { zone: record.id } });
}

/** Begins a conversation with a running zone. ZoneError `invalid` if it does not run, `exhausted` if all channels are taken. */
export async function connectZone(zone: StoredZone, signal?: AbortSignal): Promise<Connection> {
  const machine = await findMachine(zone);
  for (let channel = channels - 1; channel >= 0; channel -= 1) {
    const lock = lockChannel(zone.directory, channel);
    if (lock === undefined) continue;
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
      machine.detach();
      lock[Symbol.dispose]();
      throw error;
    }
  }
  machine.detach();
  throw new ZoneError('exhausted', `the zone ${zone.record.name} has ${channels} conversations already`, {
    detail: { zone: zone.record.id, channels },
    hint: 'wait until another exec has ended',
  });
}
