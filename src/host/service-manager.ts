import { closeSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { findVariable } from './environment.ts';
import { HostError } from './error.ts';
import { call, hasLibc } from './libc.ts';

/**
 * What a service manager such as systemd and a service say to each other: sockets that were opened for us (sd_listen_fds(3)), and how we
 * are doing (sd_notify(3)). All of it is in the environment; without a service manager nothing happens.
 */

/** The first descriptor that is handed over. */
const firstDescriptor = 3;
const mostDescriptors = 1024;

/**
 * Descriptors of listening sockets that were handed to this very process; none without LISTEN_FDS, and none that are meant for
 * another. They are ours from here on, and no child's: the variables are taken out of the environment.
 */
export function takeListeners(): readonly number[] {
  const pid = findVariable('LISTEN_PID');
  const count = Number(findVariable('LISTEN_FDS') ?? 0);
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (pid !== String(process.pid) || !Number.isInteger(count)) return [];
  const descriptors = Math.min(Math.max(count, 0), mostDescriptors);
  return Array.from({ length: descriptors }, (_, position) => firstDescriptor + position);
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const mostPathBytes = 108;

/**
 * Tells the service manager `state`, lines such as `READY=1`. False if there is none, or no libc to tell it with. HostError if it
 * is there but cannot be told.
 */
export function notifyServiceManager(state: string): boolean {
  const address = findVariable('NOTIFY_SOCKET');
  if (address === undefined || !hasLibc()) return false;
  // @ stands for the NUL that abstract names begin with.
  const name = Buffer.from(address.startsWith('@') ? `\0${address.slice(1)}` : address);
  if (!/^[/@]/.test(address) || name.length > mostPathBytes) {
    throw new HostError('invalid', `NOTIFY_SOCKET is ${JSON.stringify(address)}, not the name of a socket`);
  }
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  const to = Buffer.concat([family, name]);
  const message = Buffer.from(state);
  let socket: number | undefined;
  try {
    socket = call('socket', undefined, AF_UNIX, SOCK_DGRAM + SOCK_CLOEXEC, 0);
    call('sendto', address, socket, message, message.length, MSG_NOSIGNAL, to, to.length);
    return true;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ECONNREFUSED')) {
      throw new HostError(
        'unavailable',
        `cannot tell the service manager at ${address}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
    return false;
  } finally {
    if (socket !== undefined) closeSync(socket);
  }
}

/** How often the service manager wants to hear `WATCHDOG=1` at the least, in milliseconds; `undefined` if it does not. */
export function findWatchdogInterval(): number | undefined {
  const pid = findVariable('WATCHDOG_PID');
  if (pid !== undefined && pid !== String(process.pid)) return undefined;
  const microseconds = Number(findVariable('WATCHDOG_USEC'));
  return microseconds > 0 && Number.isFinite(microseconds) ? microseconds / 1000 : undefined;
}
