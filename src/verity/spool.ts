import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { ShaleError, wrapErrno } from '../error/index.ts';
import { withTemporaryName, writeAll } from '../host/index.ts';
import { readFully } from './block-hasher.ts';

const copyBytes = 2 ** 20;

/** The lowest level of a tree, in a file without a name, until it is known where it goes: that depends on how much there will be. */
export class LevelSpool implements Disposable {
  readonly fd: number;
  #open = true;

  /** Beside what `path` names: there is room for the tree. */
  constructor(path: string) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
    try {
      this.fd = withTemporaryName(path, '.tmp', temporary => {
        const fd = openSync(temporary, flags, 0o600);
        unlinkSync(temporary);
        return fd;
      });
    } catch (error) {
      throw wrapErrno(error, `cannot create a temporary file beside ${path}`);
    }
  }

  /** Copies the first `length` bytes to another file. */
  copyTo(target: number, position: number, length: number): void {
    const chunk = Buffer.allocUnsafeSlow(Math.min(copyBytes, length));
    for (let done = 0; done < length; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, length - done));
      if (readFully(this.fd, part, part.length, done) < part.length) {
        throw new ShaleError('internal', 'a level of a hash tree is shorter than its data needs');
      }
      writeAll(target, part, position + done);
    }
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }
}
