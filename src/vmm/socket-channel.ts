import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno, wrapErrno } from '../error/index.ts';
import { connectUnixSocket } from '../host/index.ts';
import { checkAbort, VmmError } from './error.ts';
import type { ByteChannel } from './machine.ts';

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds; 10 000 if not given. */
  readonly timeout?: number | undefined;
  /** Resolves when there is nobody left to wait for. */
  readonly ended?: Promise<unknown> | undefined;
}

/**
 * Connects to a unix socket in a machine's directory, and waits for it to come up. VmmError `unavailable` when the
 * machine has ended or time is over.
 */
export async function connectSocket(
  directory: string,
  name: string,
  options: ConnectOptions = {},
): Promise<Socket> {
  const { signal, timeout = 10_000, ended } = options;
  let over = false;
  void ended?.then(() => {
    over = true;
  });
  const limit = performance.now() + timeout;
  for (;;) {
    checkAbort(signal);
    try {
      return await connectUnixSocket(directory, name);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ECONNREFUSED', 'EAGAIN'))
        throw wrapErrno(error, `cannot connect to ${name}`);
      if (over) throw new VmmError('unavailable', 'the machine has ended', { cause: error });
      if (performance.now() > limit) {
        throw new VmmError('unavailable', `nobody listens on ${name}`, { cause: error, detail: { timeout } });
      }
    }
    await sleep(1);
  }
}

/** A byte stream over a connected socket. */
export function socketChannel(socket: Socket): ByteChannel {
  // A reset is a hang-up; who writes hears of it from `write`.
  socket.on('error', () => {});
  return {
    maximumWrite: undefined,
    async *read() {
      try {
        for await (const chunk of socket) yield chunk as Uint8Array;
      } catch (error) {
        if (!isErrno(error, 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
      }
    },
    write: bytes =>
      new Promise((resolve, reject) => {
        socket.write(bytes, error => {
          if (error) reject(new VmmError('unavailable', 'the guest has hung up', { cause: error }));
          else resolve();
        });
      }),
    [Symbol.dispose]() {
      socket.destroy();
    },
  };
}
