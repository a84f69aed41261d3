import { setTimeout } from 'node:timers/promises';
import { ShaleError } from '../../error/index.ts';
import type { Machine } from '../../vmm/index.ts';
import { lastWords, ZoneError, type Zones } from '../../zone/index.ts';
import type { ZoneEnd } from './request.ts';

/** How long a machine whose channel broke off may take to end, in milliseconds. */
const patience = 2000;

/**
 * What a session that broke off means: the end of the process, where somebody has killed the zone; otherwise the error to
 * be thrown, with the guest's last words. The machine is gone afterwards.
 */
export async function hangUp(
  error: unknown,
  machine: Machine,
  zones: Zones,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ZoneEnd | Error> {
  if (signal?.aborted) {
    await machine.kill();
    return new ZoneError('cancelled', 'cancelled', { cause: signal.reason });
  }
  const brokeOff =
    error instanceof ShaleError && error.code === 'unavailable' && error.detail.what === undefined;
  if (!brokeOff) {
    await machine.kill();
    return error instanceof Error ? error : new Error(String(error));
  }
  const ended = await Promise.race([machine.ended, setTimeout(patience, undefined)]);
  await machine.kill();
  const reason = zones.findEnd(id);
  if (reason?.killed === true) return { status: 137, signal: 'SIGKILL' };
  const how = ended === undefined ? 'broke off' : 'ended without a word';
  return new ZoneError('unavailable', `the zone ${how}${lastWords(machine)}`, {
    detail: { zone: id, console: machine.console.text, ...(ended && { stderr: ended.stderr }) },
    hint: '--console shows what the guest says; more --memory helps where its kernel ran out of it',
  });
}
