import type { Socket } from 'node:net';
import { ConsoleTail } from '../console.ts';
import { VmmError } from '../error.ts';
import type { ByteChannel, Machine, MachineEnd, MachineRecord, SavedState } from '../machine.ts';
import type { MachineProcess } from '../machine-process.ts';
import { type ConnectOptions, connectSocket, socketChannel } from '../socket-channel.ts';
import { channelSocket, consoleSocket } from './arguments.ts';

/** A running QEMU. */
export class QemuMachine implements Machine {
  readonly record: MachineRecord;
  readonly console = new ConsoleTail();
  readonly ended: Promise<MachineEnd>;
  readonly #process: MachineProcess;
  readonly #directory: string;
  #output: Socket | undefined;
  #detached = false;

  constructor(record: MachineRecord, process: MachineProcess, directory: string) {
    this.record = record;
    this.#process = process;
    this.#directory = directory;
    this.ended = process.ended;
  }

  /** Starts to keep what the guest writes on its console. Without it the machine runs as well. */
  async readConsole(): Promise<void> {
    this.#output = await connectSocket(this.#directory, consoleSocket, { ended: this.ended });
    this.#output.on('data', chunk => this.console.append(chunk as Uint8Array));
    this.#output.on('error', () => {});
    if (this.#detached) this.#output.destroy();
  }

  async connect(channel: number, options: Omit<ConnectOptions, 'ended'> = {}): Promise<ByteChannel> {
    if (!Number.isInteger(channel) || channel < 0 || channel >= this.record.channels) {
      throw new VmmError('invalid', `the machine has no channel ${channel}`);
    }
    const socket = await connectSocket(this.#directory, channelSocket(channel), {
      ...options,
      ended: this.ended,
    });
    return socketChannel(socket);
  }

  async kill(): Promise<void> {
    await this.#process.kill();
    this.#output?.destroy();
  }

  async save(to: { readonly directory: string }): Promise<SavedState> {
    const { saveState } = await import('./state.ts');
    return { ...(await saveState(this.#directory, to.directory)), platform: this.record.platform };
  }

  detach(): void {
    this.#detached = true;
    this.#output?.destroy();
    this.#process.detach();
  }
}
