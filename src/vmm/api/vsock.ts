import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkAbort, VmmError } from '../error.ts';
import type { ByteChannel } from '../machine.ts';
import { type ConnectOptions, connectSocket, socketChannel } from '../socket-channel.ts';

/** The port on which the guest's init accepts conversations (doc/format/zone-protocol.md). */
export const guestPort = 1024;

/** The address of the guest in its own vsock; each machine has a bus to itself, so one is enough for all. */
export const guestCid = 3;

/**
 * How long the first and the last attempts wait, in milliseconds. A hypervisor lets us wait while the guest has no
 * driver for the device yet, and may forget us where the device was reset by a restore.
 */
const leastPatience = 100;
const mostPatience = 2000;
const mostLine = 64;

/**
 * A connection to the guest through the hybrid socket of Firecracker, which Cloud Hypervisor has, too: one says
 * `CONNECT PORT`, the hypervisor answers `OK` and a number, and from then on the bytes are the guest's. It hangs up
 * while nobody in the guest listens, so we ask again until the machine has ended or the time is over.
 */
export async function connectGuest(
  directory: string,
  name: string,
  options: ConnectOptions = {},
): Promise<ByteChannel> {
  const { signal, timeout = 30_000, ended } = options;
  const limit = performance.now() + timeout;
  let over = false;
  void ended?.then(() => {
    over = true;
  });
  let patience = leastPatience;
  for (let pause = 2; ; pause = Math.min(20, pause + 1)) {
    const left = Math.max(1, limit - performance.now());
    const socket = await connectSocket(directory, name, { signal, ended, timeout: left });
    const answer = await greet(socket, Math.min(patience, left), signal);
    if (answer === 'connected') return socketChannel(socket);
    socket.destroy();
    if (answer === 'silence') patience = Math.min(mostPatience, 2 * patience);
    checkAbort(signal);
    if (over) throw new VmmError('unavailable', 'the machine has ended');
    if (performance.now() >= limit) {
      throw new VmmError('unavailable', `the guest does not answer within ${timeout / 1000} s`, {
        detail: { timeout, port: guestPort },
      });
    }
    await sleep(pause);
  }
}

/** What comes of one attempt. The bytes after the answer stay in the socket. */
function greet(
  socket: Socket,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<'connected' | 'silence' | 'refused'> {
  return new Promise((resolve, reject) => {
    let line = Buffer.alloc(0);
    const clock = setTimeout(() => finish('silence'), timeout);
    const giveUp = () => finish('refused');
    const finish = (answer: 'connected' | 'silence' | 'refused', error?: VmmError) => {
      clearTimeout(clock);
      signal?.removeEventListener('abort', giveUp);
      socket.pause();
      socket.off('data', take).off('close', giveUp).off('end', giveUp);
      if (error === undefined) resolve(answer);
      else reject(error);
    };
    const take = (chunk: Buffer) => {
      line = Buffer.concat([line, chunk]);
      const end = line.indexOf('\n');
      if (end < 0 && line.length <= mostLine) return;
      const answer = line.toString('latin1', 0, end < 0 ? mostLine : end);
      if (!/^OK [0-9]+$/.test(answer)) {
        socket.destroy();
        finish(
          'refused',
          new VmmError('unavailable', `no vsock: the hypervisor says ${JSON.stringify(answer)}`),
        );
        return;
      }
      finish('connected');
      if (end + 1 < line.length) socket.unshift(line.subarray(end + 1));
    };
    socket.on('error', () => {});
    socket.on('data', take).on('close', giveUp).on('end', giveUp);
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted) giveUp();
    else socket.write(`CONNECT ${guestPort}\n`);
  });
}
