import type { ZoneControl } from '../../engine/zone/request.ts';
import type { Interruption } from '../interrupt.ts';

/** So many SIGINTs within so many milliseconds mean it. */
const insistence = 3;
const patience = 2000;

/** Beside SIGINT, SIGTERM and SIGHUP. */
const others = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

/**
 * Sends the signals that come to us on to the process in the zone, once there is one; before, those that end a program give the
 * launch up. The third SIGINT in a short time aborts in any case. The result undoes it.
 */
export function forwardSignals(
  interruption: Interruption,
  { tty, zone }: { readonly tty: boolean; readonly zone: () => ZoneControl | undefined },
): () => void {
  let recent: number[] = [];
  const take = (name: NodeJS.Signals) => {
    const now = performance.now();
    if (name === 'SIGINT') recent = [...recent.filter(time => now - time < patience), now];
    const running = zone();
    // The guest's own terminal tells of its size.
    if (name === 'SIGWINCH' && tty) return;
    if (recent.length >= insistence) interruption.interrupt(name);
    else if (running !== undefined) running.signal(name);
    else if (name !== 'SIGUSR1' && name !== 'SIGUSR2' && name !== 'SIGWINCH') interruption.interrupt(name);
  };
  const restore = interruption.redirect(take);
  for (const name of others) process.on(name, take);
  return () => {
    restore();
    for (const name of others) process.off(name, take);
  };
}
