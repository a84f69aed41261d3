import { setTimeout as delay } from 'node:timers/promises';
import { ShaleError } from '../../error/index.ts';
import type { Machine, MachineOptions, VmmDriver } from '../../vmm/index.ts';
import { ZoneError } from '../error.ts';
import type { Conversation } from '../protocol/index.ts';

/** A machine whose init has mounted the image and waits for its workload. */
export interface BootedMachine {
  readonly machine: Machine;
  readonly conversation: Conversation;
  /** Milliseconds of init alone, from its first instruction to the mounted image; 0 out of a saved state. */
  readonly init: number;
}

export interface BootOptions {
  readonly driver: VmmDriver;
  readonly machine: MachineOptions;
  /** Makes the BOOT message. */
  readonly boot: () => Promise<Uint8Array>;
  /** Milliseconds until the image has to be mounted, for each of the attempts. */
  readonly timeout: number;
  /** Begun as soon as the hypervisor's process is there: for what is not needed before the guest answers. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
  readonly onStarted?: ((machine: Machine) => void) | undefined;
  readonly onConsole?: ((bytes: Uint8Array) => void) | undefined;
  /** Says why a machine is started once more. */
  readonly onRetry?: ((reason: ZoneError) => void) | undefined;
  /** Puts the disks and the directory into the state that a machine starts with. */
  readonly prepare: () => Promise<void>;
}

/**
 * Starts a machine and waits until init has mounted the image. One that does not come up is started once more: ZoneError `unavailable` with the
 * guest's last words if that does not come up either. What init refuses (a damaged image, a missing module) is not tried again.
 */
export async function bootMachine(options: BootOptions): Promise<BootedMachine> {
  for (let attempt = 1; ; attempt += 1) {
    await options.prepare();
    try {
      return await bootOnce(options);
    } catch (error) {
      if (!(error instanceof StalledError) || attempt === 2) throw error;
      options.onRetry?.(error);
    }
  }
}

/** The machine did not come up; it might another time. */
class StalledError extends ZoneError {}

async function bootOnce(options: BootOptions): Promise<BootedMachine> {
  const { driver, timeout, boot, meanwhile } = options;
  const restored = options.machine.restore !== undefined;
  const starting = driver.start(options.machine);
  // While it comes up, the code is loaded that talks to it.
  const [machine, { greet }] = await Promise.all([starting, import('./greet.ts'), meanwhile?.()]);
  const conversations: Conversation[] = [];
  let clock: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  const { signal } = options.machine;
  try {
    if (options.onConsole !== undefined) machine.console.onData(options.onConsole);
    options.onStarted?.(machine);
    const booted = async (): Promise<BootedMachine> => {
      const channel = await machine.connect(0, { signal, timeout });
      const { conversation, booted } = greet(channel, restored ? undefined : await boot());
      conversations.push(conversation);
      return { machine, conversation, init: await booted };
    };
    const stalled = new Promise<never>((_, reject) => {
      clock = setTimeout(() => reject(tooLate(machine, timeout)), timeout);
      abort = () => reject(new ZoneError('cancelled', 'cancelled', { cause: signal?.reason }));
      if (signal?.aborted) abort();
      signal?.addEventListener('abort', abort, { once: true });
      machine.ended.then(({ stderr }) => reject(ended(machine, stderr)));
    });
    stalled.catch(() => {});
    return await Promise.race([booted(), stalled]);
  } catch (error) {
    for (const conversation of conversations) conversation[Symbol.dispose]();
    await machine.kill();
    throw await tellLastWords(error, machine);
  } finally {
    clearTimeout(clock);
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
  }
}

/** A channel that breaks off says less than the end of the machine that broke it. */
async function tellLastWords(error: unknown, machine: Machine): Promise<unknown> {
  if (!(error instanceof ShaleError) || error instanceof StalledError || error.code !== 'unavailable') {
    return error;
  }
  if (error.detail.what !== undefined) return error;
  const { stderr } = await machine.ended;
  return ended(machine, stderr);
}

function tooLate(machine: Machine, timeout: number): StalledError {
  return new StalledError(
    'unavailable',
    `the zone was not up after ${timeout / 1000} s${lastWords(machine)}`,
    {
      detail: { timeout, console: machine.console.text },
      hint: 'shale doctor tells whether zones work here; --console shows what the guest says',
    },
  );
}

function ended(machine: Machine, stderr: string): StalledError {
  const message = `the zone's machine ended before the zone was up${lastWords(machine, stderr)}`;
  return new StalledError('unavailable', message, {
    detail: { stderr, console: machine.console.text },
    hint: 'shale doctor tells whether zones work here; --console shows what the guest says',
  });
}

/** The last line that says something, for an error's message: the hypervisor's, or else the guest's. */
export function lastWords(machine: Machine, stderr = ''): string {
  if (stderr.trim() !== '') return `: ${stderr.trim().split('\n').at(-1)!.slice(0, 300)}`;
  const lines = machine.console.text.split(/[\r\n]+/).filter(line => line.trim() !== '');
  const panic = lines.find(line => /Kernel panic|shale-init:/.test(line));
  const line = panic ?? lines.at(-1);
  return line === undefined ? '' : `; the guest's last words: ${line.trim().slice(0, 300)}`;
}

/** Waits for the machine's end, but not for long: init powers off by itself once its host has hung up. */
export async function endMachine(machine: Machine, grace: number): Promise<void> {
  if (grace > 0) {
    const controller = new AbortController();
    await Promise.race([
      machine.ended,
      delay(grace, undefined, { signal: controller.signal }).catch(() => {}),
    ]);
    controller.abort();
  }
  await machine.kill();
}
