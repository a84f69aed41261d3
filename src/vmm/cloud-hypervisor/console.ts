import type { Socket } from 'node:net';
import type { ConsoleTail } from '../console.ts';
import { connectSocket } from '../socket-channel.ts';
import { consoleSocket } from './configuration.ts';

/** Listens to a machine's serial port, until `close`. Whoever comes next takes it over. */
export class ConsoleReader {
  readonly #tail: ConsoleTail;
  #socket: Socket | undefined;
  #closed = false;

  constructor(tail: ConsoleTail) {
    this.#tail = tail;
  }

  /** Resolves when the guest's words arrive; rejects as `connectSocket` does. */
  async open(directory: string, options: Parameters<typeof connectSocket>[2]): Promise<void> {
    const socket = await connectSocket(directory, consoleSocket, options);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#tail.append(chunk));
    this.#socket = socket;
    if (this.#closed) socket.destroy();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }
}
