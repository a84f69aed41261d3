import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { connectUnixSocket, type FileLock, listenUnixSocket, tryLock } from '../host/index.ts';
import { DaemonError } from './error.ts';

/** Where to listen: a socket of ours, or one that a service manager has opened for us. */
export type ListenAddress = { readonly path: string } | { readonly descriptor: number };

/** A socket that takes connections. Disposing it takes no more; those that are there stay. */
export interface Listener extends AsyncDisposable {
  /** For people. */
  readonly address: string;
}

/**
 * Listens. A socket that a dead daemon has left is replaced; of a living one DaemonError `conflict`. Only we may connect: the socket has mode
 * 0600 from its first moment, its directory, if we make it, 0700.
 */
export async function listen(address: ListenAddress, take: (connection: Socket) => void): Promise<Listener> {
  const server = createServer(connection => {
    // Who breaks off is heard of by whatever reads and writes.
    connection.on('error', () => {});
    take(connection);
  });
  if ('descriptor' in address) return listenOn(server, address.descriptor);
  const { path } = address;
  try {
    return await listenAt(server, path);
  } catch (error) {
    throw wrapErrno(error, `cannot listen at ${path}`);
  }
}

async function listenOn(server: Server, descriptor: number): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', error =>
      reject(
        new DaemonError(
          'invalid',
          `the descriptor ${descriptor} is no socket that listens: ${error.message}`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen({ fd: descriptor }, resolve);
  });
  return {
    address: `descriptor ${descriptor}`,
    // Closing would not do: Node unlinks nothing here, and the service manager has its own descriptor of the socket.
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

async function listenAt(server: Server, path: string): Promise<Listener> {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockSocket(path);
  let draft: string | undefined;
  try {
    await refuseLiving(path);
    // It takes its name when it has its mode, and it takes it from what a dead daemon has left.
    draft = mkdtempSync(join(directory, '.shale-'));
    await listenUnixSocket(server, draft, 's');
    chmodSync(join(draft, 's'), 0o600);
    renameSync(join(draft, 's'), path);
  } catch (error) {
    server.close();
    lock.remove();
    throw error;
  } finally {
    if (draft !== undefined) rmSync(draft, { recursive: true, force: true });
  }
  return {
    address: path,
    async [Symbol.asyncDispose]() {
      // First the name, so that nobody finds a socket that nobody listens to.
      rmSync(path, { force: true });
      server.close();
      lock.remove();
    },
  };
}

/** Held for as long as we listen: between two daemons that start, the kernel decides. */
function lockSocket(path: string): FileLock {
  const lock = tryLock(`${path}.lock`);
  if (lock === undefined) throw living(path);
  return lock;
}

async function refuseLiving(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) {
    throw new DaemonError('exists', `${path} is there, and is no socket`, {
      detail: { path },
      hint: 'name another place for the socket with --address',
    });
  }
  let connection: Socket;
  try {
    connection = await connectUnixSocket(dirname(path), basename(path));
  } catch (error) {
    if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) return;
    throw error;
  }
  connection.destroy();
  throw living(path);
}

function living(path: string): DaemonError {
  return new DaemonError('conflict', `another process listens at ${path}`, {
    detail: { path },
    hint: 'stop it, or name another place for the socket with --address',
  });
}
