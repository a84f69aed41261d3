import { chmodSync, closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listenUnixSocket } from '../../host/index.ts';
import { VmmError } from '../error.ts';
import type { MachineEnd, SavedState } from '../machine.ts';
import { connectSocket } from '../socket-channel.ts';
import { monitorSocket } from './arguments.ts';
import { sealMemory } from './memory.ts';
import { QmpClient } from './qmp.ts';

/** Names in the state's directory. */
export const memoryName = 'memory';
export const deviceName = 'devices';
const migrationSocket = 'migration';

/**
 * Stops the machine and writes the state of its devices to `directory`, in which its memory file is already. QEMU sends
 * that state through a socket, so it needs no right to create a file. It is left to the migration to stop the machine: what
 * was stopped before would still be stopped when it is restored.
 */
export async function saveState(machine: string, directory: string): Promise<SavedState> {
  const device = join(directory, deviceName);
  using monitor = await QmpClient.open(await connectSocket(machine, monitorSocket));
  const version = await versionOf(monitor);
  await monitor.execute('migrate-set-capabilities', withoutMemory);
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
  return {
    vmm: 'qemu',
    directory,
    device: deviceName,
    memory: memoryName,
    seal: sealMemory(join(directory, memoryName)),
    version,
  };
}

/** Has a machine that was started for it take over the state, from a descriptor that it has inherited, and run. */
export async function restoreState(
  machine: string,
  state: SavedState,
  descriptor: number,
  ended: Promise<MachineEnd>,
): Promise<void> {
  try {
    using monitor = await QmpClient.open(await connectSocket(machine, monitorSocket, { ended }));
    const version = await versionOf(monitor);
    if (version !== state.version) {
      throw new VmmError('unsupported', `a saved state of QEMU ${state.version} is none for QEMU ${version}`);
    }
    await monitor.execute('migrate-set-capabilities', withoutMemory);
    await monitor.execute('migrate-incoming', { uri: `fd:${descriptor}` });
  } catch (error) {
    if (!(error instanceof VmmError) || error.code !== 'unavailable') throw error;
    const end = await Promise.race([ended, sleep(200)]);
    const words = end === undefined ? '' : `: ${end.stderr.trim()}`;
    throw new VmmError('unavailable', `QEMU does not take the saved state${words}`, { cause: error });
  }
}

/** What is in a shared memory file is not copied into the state. */
const withoutMemory = { capabilities: [{ capability: 'x-ignore-shared', state: true }] };

async function versionOf(monitor: QmpClient): Promise<string> {
  const { qemu } = (await monitor.execute('query-version')) as { qemu: Record<string, number> };
  return `${qemu.major}.${qemu.minor}.${qemu.micro}`;
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
