import { setTimeout } from 'node:timers/promises';
import { ShaleError } from '../../error/index.ts';
import type { Machine } from '../../vmm/index.ts';
import { ZoneError } from '../../zone/error.ts';
import type { Zones } from '../../zone/index.ts';
import { lastWords } from '../../zone/launch/boot.ts';
import type { ZoneEnd } from './request.ts';

/** How long a machine whose channel broke off may take to end, in milliseconds. */
const patience = 2000;

/**
 * What a session that broke off means: the end of the process, where somebody has killed the zone; otherwise the error to be
 * thrown, with the guest's last words if the machine is gone. The machine is left as it is.
 */
export async function hangUp(error: unknown, machine: Machine, zones: Zones, id: string): Promise<ZoneEnd> {
  const brokeOff =
    error instanceof ShaleError && error.code === 'unavailable' && error.detail.what === undefined;
  if (!brokeOff) throw error;
  const controller = new AbortController();
  const late = setTimeout(patience, undefined, { signal: controller.signal }).catch(() => {});
  const ended = await Promise.race([machine.ended, late]);
  controller.abort();
  if (zones.wasKilled(id)) return killedEnd;
  if (ended === undefined) {
    throw new ZoneError('unavailable', `the zone broke off${lastWords(machine)}`, {
      detail: { zone: id, console: machine.console.text },
    });
  }
  const { signal, stderr } = ended;
  const how = signal === undefined ? 'ended without a word' : `was ended from outside, by ${signal}`;
  throw new ZoneError('unavailable', `the zone ${how}${lastWords(machine, stderr)}`, {
    detail: { zone: id, console: machine.console.text, stderr },
    hint: '--console shows what the guest says; more --memory helps where its kernel ran out of it',
  });
}

/** How a workload ends whose machine is cut off. */
export const killedEnd: ZoneEnd = { status: 137, signal: 'SIGKILL' };
