import { join } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { removeTree } from '../../host/index.ts';
import {
  endMachine,
  type LaunchedZone,
  parseSignal,
  type StoredZone,
  startSession,
  type Timeline,
  type Zones,
} from '../../zone/index.ts';
import { hangUp } from './hang-up.ts';
import { reportEnd } from './process-end.ts';
import type { RunRequest, ZoneEnd } from './request.ts';

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
    const { streams, detach, onStart, onTimes, signal, timeout } = this.#request;
    const { id, name } = this.#zone.record;
    const clocks: NodeJS.Timeout[] = [];
    const kill = () => void machine.kill();
    try {
      const session = await startSession(conversation, streams);
      timeline.mark('start of the command');
      onTimes?.(timeline.times);
      if (this.#zone.record.scratch) removeTree(join(this.#zone.directory, 'scratch'));
      const letGo = Promise.withResolvers<undefined>();
      const control = {
        ...{ id, name },
        signal: (text: string) => session.signal(parseSignal(text)),
        detach: () => letGo.resolve(undefined),
      };
      signal?.addEventListener('abort', kill, { once: true });
      if (timeout !== undefined) clocks.push(setTimeout(kill, timeout + lateness));
      if (detach === true) control.detach();
      onStart?.(control);
      session.ended.catch(() => {});
      const end = await Promise.race([session.ended, letGo.promise]);
      if (end === undefined) {
        this.#letGo(machine.record);
        conversation[Symbol.dispose]();
        machine.detach();
        return { status: undefined };
      }
      await endMachine(machine, 0);
      this.#tidy();
      return reportEnd(end);
    } catch (error) {
      const told = await hangUp(error, machine, this.#zones, id, signal);
      if (!(told instanceof Error)) {
        this.#tidy();
        return told;
      }
      throw told;
    } finally {
      for (const clock of clocks) clearTimeout(clock);
      signal?.removeEventListener('abort', kill);
      conversation[Symbol.dispose]();
    }
  }

  /** What is left of a launch that failed: the reason, for `zone ls`, or nothing. */
  abandon(error: unknown): void {
    const { id } = this.#zone.record;
    const cancelled = error instanceof ShaleError && error.code === 'cancelled';
    if (this.#request.remove === true || cancelled) {
      this.#zones.remove(id);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    this.#zones.update(id, record => ({ ...record, end: { ended: new Date().toISOString(), reason } }));
    this.#tidy();
  }

  /** The zone goes on without us: whoever finds it ended clears up. */
  #letGo(machine: LaunchedZone['machine']['record']): void {
    const { id } = this.#zone.record;
    this.#zones.update(id, ({ launcher: _, ...record }) => ({ ...record, machine }));
  }

  #tidy(): void {
    const { id } = this.#zone.record;
    if (this.#request.remove === true) this.#zones.remove(id);
    else this.#zones.clear(id);
  }
}
