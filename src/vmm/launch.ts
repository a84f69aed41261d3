import { chownSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, type DaemonEnd, signalGroup, spawnDaemon } from '../host/index.ts';
import { type ConfinementLevel, confine, confinementLevels } from './confinement.ts';
import { checkAbort, VmmError } from './error.ts';
import type { MachineOptions } from './machine.ts';

export interface LaunchOptions {
  /** The program, absolute. */
  readonly program: string;
  readonly arguments: readonly string[];
  readonly machine: Pick<MachineOptions, 'directory' | 'network' | 'user' | 'signal' | 'onProcess'>;
  /** What it inherits as 3, 4, … */
  readonly descriptors: readonly number[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly readOutput?: boolean;
  /** Groups that its user is in besides his own. */
  readonly groups?: readonly number[];
  /** Bytes of a /dev/shm of its own. */
  readonly sharedMemory?: number;
  /** A file of the directory that the hypervisor makes once it is up. */
  readonly ready: string;
  /** In milliseconds; 10 000 if not given. */
  readonly timeout?: number;
}

/** What could not be set up on this machine needs no second trial in this process. */
let levels: readonly ConfinementLevel[] | undefined;

/** Which confinement the last launch of this process had; undefined before the first one. */
export function confinementLevel(): ConfinementLevel | undefined {
  return levels?.[0];
}

/**
 * Starts a hypervisor, confined as well as this machine can do it, in the machine's directory, and waits until it is
 * up. VmmError `unavailable` with its own words if it ends before, or is not up in time; it has then been killed.
 */
export async function launch(options: LaunchOptions): Promise<Daemon> {
  const { machine, program, descriptors, environment = {}, readOutput = false } = options;
  const { directory, user, network } = machine;
  checkAbort(machine.signal);
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  levels ??= confinementLevels();
  for (;;) {
    const level = levels[0];
    if (level === undefined) {
      throw new VmmError('unsupported', 'a hypervisor cannot be confined on this machine', {
        hint: 'install setpriv, unshare and mount (util-linux)',
      });
    }
    const confined = confine(program, options.arguments, {
      directory,
      level,
      user,
      network: network === 'user',
      groups: options.groups,
      sharedMemory: options.sharedMemory,
    });
    const daemon = await spawnDaemon(confined.program, confined.arguments, {
      directory,
      environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
      descriptors,
      readOutput,
      held: true,
    });
    const end = await untilReady(daemon, options);
    if (end === undefined) return daemon;
    const words = daemon.errorText().trim();
    daemon.detach();
    if (/^(unshare|mount|setpriv|sh|\/bin\/sh): /.test(words) && levels.length > 1) {
      levels = levels.slice(1);
      continue;
    }
    throw new VmmError('unavailable', `${program} ended before it was up${words && `: ${words}`}`, {
      detail: { ...end },
    });
  }
}

/** Its end, if that comes first. */
async function untilReady(daemon: Daemon, options: LaunchOptions): Promise<DaemonEnd | undefined> {
  const { machine, ready, timeout = 10_000 } = options;
  const path = join(machine.directory, ready);
  const limit = performance.now() + timeout;
  let end: DaemonEnd | undefined;
  void daemon.ended.then(result => {
    end = result;
  });
  try {
    machine.onProcess?.(daemon.identity);
    daemon.release();
    while (end === undefined && !existsSync(path)) {
      checkAbort(machine.signal);
      if (performance.now() > limit) {
        throw new VmmError('unavailable', `${options.program} is not up after ${timeout / 1000} s`);
      }
      await sleep(1);
    }
  } catch (error) {
    signalGroup(daemon.identity, 'SIGKILL');
    await daemon.ended;
    daemon.detach();
    throw error;
  }
  return end;
}
