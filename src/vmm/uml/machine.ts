import { constants } from 'node:fs';
import type { Socket } from 'node:net';
import { ConsoleTail } from '../console.ts';
import { VmmError } from '../error.ts';
import { openEnd, openFifoChannel } from '../fifo-channel.ts';
import type { ByteChannel, Machine, MachineEnd, MachineRecord } from '../machine.ts';
import type { MachineProcess } from '../machine-process.ts';
import { channelName, consoleName, fifoNames } from './arguments.ts';

/** A running User-Mode Linux. */
export class UmlMachine implements Machine {
  readonly record: MachineRecord;
  readonly console = new ConsoleTail();
  readonly ended: Promise<MachineEnd>;
  readonly #process: MachineProcess;
  readonly #directory: string;
  readonly #output: Socket;

  constructor(record: MachineRecord, process: MachineProcess, directory: string) {
    this.record = record;
    this.#process = process;
    this.#directory = directory;
    this.ended = process.ended;
    this.#output = openEnd(directory, fifoNames(consoleName).fromGuest, constants.O_RDONLY);
    this.#output.on('data', chunk => this.console.append(chunk as Uint8Array));
    this.#output.on('error', () => {});
  }

  async connect(channel: number): Promise<ByteChannel> {
    if (!Number.isInteger(channel) || channel < 0 || channel >= this.record.channels) {
      throw new VmmError('invalid', `the machine has no channel ${channel}`);
    }
    const { toGuest, fromGuest } = fifoNames(channelName(channel));
    return openFifoChannel(this.#directory, toGuest, fromGuest);
  }

  async kill(): Promise<void> {
    await this.#process.kill();
    this.#output.destroy();
  }

  detach(): void {
    this.#output.destroy();
    this.#process.detach();
  }
}
