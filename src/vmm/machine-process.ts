import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, isRunning, type ProcessIdentity, signalGroup } from '../host/index.ts';
import type { MachineEnd } from './machine.ts';

/** How often the process of another one's machine is looked at, in milliseconds. */
const interval = 50;

/** The hypervisor's process, our child or not. */
export class MachineProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when it is gone, after the last of its error text was read. */
  readonly ended: Promise<MachineEnd>;
  readonly #daemon: Daemon | undefined;
  #watch: NodeJS.Timeout | undefined;

  /** `of`: a child, or what a record says. */
  constructor(of: Daemon | ProcessIdentity) {
    this.#daemon = 'identity' in of ? of : undefined;
    this.identity = 'identity' in of ? of.identity : of;
    this.ended = 'identity' in of ? endOf(of) : this.#watched();
  }

  /** What a record says, if it still runs. */
  static find(identity: ProcessIdentity): MachineProcess | undefined {
    return isRunning(identity) ? new MachineProcess(identity) : undefined;
  }

  /** SIGKILL to its whole process group. Resolves when it is gone. */
  async kill(): Promise<void> {
    signalGroup(this.identity, 'SIGKILL');
    if (this.#daemon !== undefined) await this.#daemon.ended;
    else while (isRunning(this.identity)) await sleep(2);
  }

  detach(): void {
    this.#daemon?.detach();
    clearInterval(this.#watch);
  }

  #watched(): Promise<MachineEnd> {
    return new Promise(resolve => {
      const look = () => {
        if (isRunning(this.identity)) return;
        clearInterval(this.#watch);
        resolve({ status: undefined, signal: undefined, stderr: '' });
      };
      this.#watch = setInterval(look, interval);
      look();
    });
  }
}

async function endOf(daemon: Daemon): Promise<MachineEnd> {
  const end = await daemon.ended;
  return { ...end, stderr: daemon.errorText() };
}
