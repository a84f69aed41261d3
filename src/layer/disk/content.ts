import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../../error/index.ts';
import { HostError, pathBytes } from '../../host/index.ts';
import { type ByteString, printable } from '../../tree/index.ts';
import type { Place } from '../mark/index.ts';
import type { Facts } from './facts.ts';

const chunkSize = 256 * 1024;
/** O_NONBLOCK: a fifo that took the file's place must not hold us. */
const flags =
  constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * The bytes of a regular file that was looked at before, in chunks of 256 KiB at most, each valid until the next is asked for.
 * HostError `conflict` if it is not that file any more, or not of that size; `path` is for messages. Throws as `fs` does.
 */
export function* readContent(
  place: Place,
  name: ByteString,
  facts: Facts,
  path: ByteString,
): Generator<Buffer, void, undefined> {
  const fd = openFile(place, name, path);
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile() || `${stats.dev}:${stats.ino}` !== facts.identity) throw changed(path);
    let left = facts.size;
    const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkSize, left)));
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      left -= length;
      if (left < 0 || (length === 0 && left > 0)) throw changed(path);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

function openFile(place: Place, name: ByteString, path: ByteString): number {
  try {
    return openSync(pathBytes(place.at(name)), flags);
  } catch (error) {
    if (isErrno(error, 'ELOOP', 'ENOTDIR', 'ENXIO', 'ENOENT')) throw changed(path, error);
    throw error;
  }
}

/** Something else has changed what is being read. */
export function changed(path: ByteString, cause?: unknown): HostError {
  return new HostError('conflict', `/${printable(path)} was changed while it was read`, {
    cause,
    detail: { path: printable(path) },
    hint: 'nothing else may write to the directory meanwhile',
  });
}
