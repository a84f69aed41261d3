import { chmodSync, closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listenUnixSocket } from '../../host/index.ts';
import { VmmError } from '../error.ts';
import type { SavedState } from '../machine.ts';
import { connectSocket } from '../socket-channel.ts';
import { monitorSocket } from './arguments.ts';
import { QmpClient } from './qmp.ts';

/** Names in the state's directory. */
export const memoryName = 'memory';
export const deviceName = 'devices';
const migrationSocket = 'migration';

/**
 * Stops the machine and writes the state of its devices to `directory`, in which its memory file is already. QEMU sends
 * that state through a socket, so it needs no right to create a file.
 */
export async function saveState(machine: string, directory: string): Promise<SavedState> {
  const device = join(directory, deviceName);
  using monitor = await QmpClient.open(await connectSocket(machine, monitorSocket));
  const { qemu } = (await monitor.execute('query-version')) as { qemu: Record<string, number> };
  await monitor.execute('stop');
  const fd = openSync(device, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  const server = createServer();
  try {
    const received = receive(server, fd);
    await listenUnixSocket(server, machine, migrationSocket);
    // The directory is closed to all but QEMU's user.
    chmodSync(join(machine, migrationSocket), 0o666);
    await monitor.execute('migrate', { uri: `unix:${migrationSocket}` });
    await untilMigrated(monitor);
    await received;
    fsyncSync(fd);
  } finally {
    server.close();
    closeSync(fd);
  }
  const memory = openSync(join(directory, memoryName), constants.O_RDONLY);
  fsyncSync(memory);
  closeSync(memory);
  return {
    vmm: 'qemu',
    directory,
    device: deviceName,
    memory: memoryName,
    version: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
  };
}

function receive(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('connection', socket => {
      socket.on('data', chunk => {
        for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk as Uint8Array, done);
      });
      socket.once('end', resolve);
      socket.once('error', reject);
    });
  });
}

async function untilMigrated(monitor: QmpClient): Promise<void> {
  for (;;) {
    const { status, 'error-desc': reason } = (await monitor.execute('query-migrate')) as Record<
      string,
      unknown
    >;
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new VmmError('unavailable', `QEMU could not save the machine: ${String(reason ?? status)}`);
    }
    await sleep(2);
  }
}
