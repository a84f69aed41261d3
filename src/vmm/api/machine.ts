import type { ConsoleTail } from '../console.ts';
import type { ByteChannel, Machine, MachineEnd, MachineRecord, SavedState } from '../machine.ts';
import type { MachineProcess } from '../machine-process.ts';
import type { ConnectOptions } from '../socket-channel.ts';
import { connectGuest } from './vsock.ts';

export interface ApiMachineOptions {
  readonly record: MachineRecord;
  readonly directory: string;
  readonly process: MachineProcess;
  readonly console: ConsoleTail;
  /** The name of the hybrid vsock in the directory. */
  readonly vsock: string;
  readonly save?: ((directory: string) => Promise<SavedState>) | undefined;
  /** Lets go of whatever else keeps this process alive. */
  readonly detach?: () => void;
}

/** A machine of a hypervisor with an API. Every channel is a connection of its own, there are as many as one likes. */
export class ApiMachine implements Machine {
  readonly record: MachineRecord;
  readonly console: ConsoleTail;
  readonly ended: Promise<MachineEnd>;
  save?: (to: { readonly directory: string }) => Promise<SavedState>;
  readonly #options: ApiMachineOptions;

  constructor(options: ApiMachineOptions) {
    const { record, console, process, save } = options;
    this.#options = options;
    this.record = record;
    this.console = console;
    this.ended = process.ended;
    if (save !== undefined) this.save = ({ directory }) => save(directory);
  }

  connect(_channel: number, options: Omit<ConnectOptions, 'ended'> = {}): Promise<ByteChannel> {
    const { directory, vsock } = this.#options;
    return connectGuest(directory, vsock, { ...options, ended: this.ended });
  }

  kill(): Promise<void> {
    return this.#options.process.kill();
  }

  detach(): void {
    this.#options.process.detach();
    this.#options.detach?.();
  }
}
