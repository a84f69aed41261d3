import type { Socket } from 'node:net';
import { VmmError } from '../error.ts';

/** What QEMU tells without being asked (`event` of the QMP specification). */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly command: string;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** A line that is longer than this is not QMP. */
const mostLine = 4 * 1024 * 1024;

/** A client of the QEMU Machine Protocol: a JSON object a line, answers in the order of the commands. */
export class QmpClient implements Disposable {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #pending = '';
  #failure: VmmError | undefined;
  #greeted: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => {});
    socket.on('close', () => this.#fail(new VmmError('unavailable', 'QEMU has hung up')));
  }

  /** Reads the greeting and enters command mode. QEMU has one such conversation at a time. */
  static async open(socket: Socket): Promise<QmpClient> {
    const client = new QmpClient(socket);
    await new Promise<void>((resolve, reject) => {
      client.#greeted = resolve;
      client.#waiting.push({ command: 'greeting', resolve: () => reject(notQmp()), reject });
    });
    await client.execute('qmp_capabilities');
    return client;
  }

  /** VmmError `unavailable` if QEMU refuses or hangs up; `timeout` in milliseconds, 10 000 if not given. */
  async execute(command: string, parameters?: object, { timeout = 10_000 } = {}): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    let clock: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        clock = setTimeout(
          () => this.#fail(new VmmError('unavailable', `QEMU does not answer to ${command}`)),
          timeout,
        );
        this.#waiting.push({ command, resolve, reject });
        this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
      });
    } finally {
      clearTimeout(clock);
    }
  }

  /** Calls for each event from now on. The result takes the listener off again. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  [Symbol.dispose](): void {
    this.#fail(new VmmError('cancelled', 'the conversation with QEMU was ended'));
  }

  #take(text: string): void {
    const lines = (this.#pending + text).split('\n');
    this.#pending = lines.pop()!;
    if (this.#pending.length > mostLine) this.#fail(notQmp());
    for (const line of lines) if (line.trim() !== '' && this.#failure === undefined) this.#line(line);
  }

  #line(line: string): void {
    const message = parseObject(line);
    if (message !== undefined && 'QMP' in message && this.#greeted !== undefined) {
      this.#waiting.shift();
      this.#greeted();
      this.#greeted = undefined;
    } else if (message !== undefined && 'event' in message) {
      for (const listener of this.#listeners) listener(message as unknown as QmpEvent);
    } else {
      const waiting = message === undefined ? undefined : this.#waiting.shift();
      if (message === undefined || waiting === undefined) this.#fail(notQmp());
      else if ('return' in message) waiting.resolve(message.return);
      else if ('error' in message) waiting.reject(refused(waiting.command, message.error));
      else waiting.reject(notQmp());
    }
  }

  #fail(failure: VmmError): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    this.#socket.destroy();
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function refused(command: string, error: unknown): VmmError {
  const { desc } = (error ?? {}) as { desc?: unknown };
  const message = `QEMU refuses ${command}: ${String(desc ?? 'no reason given')}`;
  return new VmmError('unavailable', message, { detail: { command, error } });
}

function notQmp(): VmmError {
  return new VmmError('unavailable', 'what answers on the monitor socket does not speak QMP');
}
