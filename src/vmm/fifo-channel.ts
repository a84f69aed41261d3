import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { VmmError } from './error.ts';
import type { ByteChannel } from './machine.ts';
import { socketChannel } from './socket-channel.ts';

/** PIPE_BUF of Linux: a write of so many bytes is not torn apart. */
const mostAtomic = 4096;

/**
 * A byte stream over two FIFOs, which the hypervisor has open at both their ends, and which so never break off while it
 * lives. VmmError `unavailable` if it is gone.
 */
export function openFifoChannel(directory: string, toGuest: string, fromGuest: string): ByteChannel {
  const output = openEnd(directory, toGuest, constants.O_WRONLY);
  const input = openEnd(directory, fromGuest, constants.O_RDONLY);
  const writer = socketChannel(output);
  const reader = socketChannel(input);
  return {
    maximumWrite: mostAtomic,
    read: () => reader.read(),
    write: bytes => writer.write(bytes),
    [Symbol.dispose]() {
      input.destroy();
      output.destroy();
    },
  };
}

/** Opens one end; not blocking, so that nobody is waited for. */
export function openEnd(directory: string, name: string, mode: number): Socket {
  try {
    const fd = openSync(join(directory, name), mode | constants.O_NONBLOCK);
    return new Socket({ fd, readable: mode === constants.O_RDONLY, writable: mode === constants.O_WRONLY });
  } catch (error) {
    // Nobody has the reading end of it: the hypervisor has ended.
    if (isErrno(error, 'ENXIO')) throw new VmmError('unavailable', 'the machine has ended', { cause: error });
    throw wrapErrno(error, `cannot open ${name}`);
  }
}
