import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/** sun_path of sockaddr_un holds 108 bytes, the last of them a NUL. */
const mostPathBytes = 107;

/**
 * Connects to the unix socket `name` in `directory`, however long the path of the directory is. Rejects as `net` does:
 * ENOENT if it is not there (yet), ECONNREFUSED if nobody listens.
 */
export function connectUnixSocket(directory: string, name: string): Promise<Socket> {
  return withShortPath(
    directory,
    name,
    path =>
      new Promise((resolve, reject) => {
        const socket = connect(path);
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.off('error', reject);
          resolve(socket);
        });
      }),
  );
}

/** Listens on the unix socket `name` in `directory`, which is created; the same care for long paths. */
export function listenUnixSocket(server: Server, directory: string, name: string): Promise<void> {
  return withShortPath(
    directory,
    name,
    path =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, () => {
          server.off('error', reject);
          resolve();
        });
      }),
  );
}

async function withShortPath<T>(
  directory: string,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= mostPathBytes) return use(path);
  const fd = openSync(directory, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    return await use(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}
