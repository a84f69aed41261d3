import { ftruncateSync, readSync } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.ts';
import { wrapErrno } from '../error/index.ts';
import { HostError } from './error.ts';
import { writePieces } from './write.ts';

/** An open file that is written and read anywhere; `path` is for messages. HostErrors. */
export function accessFile(fd: number, path: string): RandomAccess & { truncate(length: number): void } {
  const attempt = (doing: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      throw wrapErrno(error, `cannot ${doing} ${path}`);
    }
  };
  return {
    writeAt(position, chunks) {
      attempt('write', () => writePieces(fd, chunks, position));
    },
    readAt(position, target) {
      attempt('read', () => {
        for (let done = 0; done < target.length; ) {
          const count = readSync(fd, target, done, target.length - done, position + done);
          if (count === 0) throw new HostError('conflict', `${path} is shorter than what was written to it`);
          done += count;
        }
      });
    },
    truncate(length) {
      attempt('write', () => ftruncateSync(fd, length));
    },
  };
}
