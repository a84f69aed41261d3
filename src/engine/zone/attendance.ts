import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { removeTree } from '../../host/index.ts';
import type { Machine } from '../../vmm/index.ts';
import {
  type Conversation,
  type LaunchedZone,
  lastWords,
  parseSignal,
  type Session,
  type StoredZone,
  startSession,
  type Timeline,
  ZoneError,
  type Zones,
} from '../../zone/index.ts';
import { hangUp, killedEnd } from './hang-up.ts';
import { reportEnd } from './process-end.ts';
import type { RunRequest, ZoneEnd } from './request.ts';
import { defaultBootTimeout } from './wishes.ts';

/** Milliseconds that the guest may keep its own time limit waiting before the machine is cut off. */
const lateness = 3000;

/** The life of a zone from its launch to the end of who is attached. */
export class Attendance {
  readonly #zones: Zones;
  readonly #zone: StoredZone;
  readonly #request: RunRequest;

  constructor(zones: Zones, zone: StoredZone, request: RunRequest) {
    this.#zones = zones;
    this.#zone = zone;
    this.#request = request;
  }

  /** Attaches the caller to the workload, until it ends or is let go. */
  async attend({ machine, conversation }: LaunchedZone, timeline: Timeline): Promise<ZoneEnd> {
    const { detach, onStart, onTimes, signal, timeout } = this.#request;
    const { id, name } = this.#zone.record;
    const clocks: NodeJS.Timeout[] = [];
    let detached = false;
    const kill = () => void machine.kill();
    // Aborted meanwhile, or while nothing is heard of the guest: the end of the machine ends what we wait for.
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted) kill();
    try {
      const session = await this.#start(machine, conversation);
      timeline.mark('start of the command');
      onTimes?.(timeline.times);
      if (this.#zone.record.scratch) removeTree(join(this.#zone.directory, 'scratch'));
      const letGo = Promise.withResolvers<undefined>();
      const control = {
        ...{ id, name },
        signal: (text: string) => session.signal(parseSignal(text)),
        detach: () => letGo.resolve(undefined),
      };
      if (timeout !== undefined) clocks.push(setTimeout(kill, timeout + lateness));
      if (detach === true) control.detach();
      onStart?.(control);
      session.ended.catch(() => {});
      const end = await Promise.race([session.ended, letGo.promise]);
      if (end === undefined) {
        this.#zones.release(id);
        machine.detach();
        detached = true;
        return { status: undefined };
      }
      await machine.kill();
      this.#tidy();
      return reportEnd(end);
    } catch (error) {
      if (signal?.aborted) throw new ZoneError('cancelled', 'cancelled', { cause: signal.reason });
      const end = await hangUp(error, machine, this.#zones, id);
      this.#tidy();
      return end;
    } finally {
      if (!detached) await machine.kill();
      for (const clock of clocks) clearTimeout(clock);
      signal?.removeEventListener('abort', kill);
      conversation[Symbol.dispose]();
    }
  }

  /** What is asked for has to begin within the time that a boot has: a guest that hangs while it mounts is one that does not come up. */
  async #start(machine: Machine, conversation: Conversation): Promise<Session> {
    const { streams, bootTimeout = defaultBootTimeout } = this.#request;
    let late = false;
    const clock = setTimeout(() => {
      late = true;
      void machine.kill();
    }, bootTimeout);
    try {
      return await startSession(conversation, streams);
    } catch (error) {
      if (!late) throw error;
      const message = `the zone's command had not begun after ${bootTimeout / 1000} s${lastWords(machine)}`;
      const detail = { timeout: bootTimeout, console: machine.console.text };
      // With `what` it is no hang-up that has to be explained.
      throw new ZoneError('unavailable', message, { detail: { ...detail, what: 'start' } });
    } finally {
      clearTimeout(clock);
    }
  }

  /**
   * What is left of a launch that failed: the reason, for `zone ls`, or nothing. Where somebody else has killed the zone this is an
   * end as any other; otherwise the error is to be thrown.
   */
  abandon(error: unknown): ZoneEnd | undefined {
    const { id } = this.#zone.record;
    if (this.#zones.wasKilled(id) && this.#request.signal?.aborted !== true) {
      this.#tidy();
      return killedEnd;
    }
    if (this.#request.remove === true || (error instanceof ShaleError && error.code === 'cancelled')) {
      this.#zones.remove(id);
      return undefined;
    }
    const reason = error instanceof Error ? error.message : String(error);
    this.#zones.update(id, record => ({ ...record, end: { ended: new Date().toISOString(), reason } }));
    this.#tidy();
    return undefined;
  }

  #tidy(): void {
    const { id } = this.#zone.record;
    if (this.#request.remove === true) this.#zones.remove(id);
    else {
      this.#zones.release(id);
      this.#zones.clear(id);
    }
  }
}
