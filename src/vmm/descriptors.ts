import { closeSync, constants, copyFileSync, fchownSync, fstatSync, lchownSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { descriptorPath } from '../host/index.ts';
import type { Disk, MachineOptions } from './machine.ts';

/** Files that a hypervisor is to inherit. It gets them as descriptors; their names it never learns. */
export class Descriptors implements Disposable {
  readonly #machine: Pick<MachineOptions, 'directory' | 'user'>;
  readonly #open: number[] = [];

  constructor(machine: Pick<MachineOptions, 'directory' | 'user'>) {
    this.#machine = machine;
  }

  /** As `launch` takes them. */
  get list(): readonly number[] {
    return this.#open;
  }

  /** Opens a disk; the result is its number in the hypervisor. */
  addDisk({ path, readOnly }: Disk): number {
    return this.#add(path, readOnly ? constants.O_RDONLY : constants.O_RDWR);
  }

  /** Opens a file; the result is its number in the hypervisor. */
  addFile(path: string, flags: number): number {
    return this.#add(path, flags);
  }

  /**
   * For programs that insist on opening a file themselves: a path that leads to the descriptor. That takes the right
   * to read the file itself, whatever directories it is in; a file that the hypervisor's user may not read is copied.
   */
  addReadable(path: string): string {
    const { user, directory } = this.#machine;
    const number = this.#add(path, constants.O_RDONLY);
    const fd = this.#open[number - 3]!;
    const { mode, uid } = fstatSync(fd);
    if (user === undefined || (mode & 0o004) !== 0 || (uid === user.uid && (mode & 0o400) !== 0)) {
      return descriptorPath(number);
    }
    const copy = `file-${number}`;
    copyFileSync(path, join(directory, copy), constants.COPYFILE_FICLONE);
    lchownSync(join(directory, copy), user.uid, user.gid);
    return copy;
  }

  /**
   * A disk for a program that opens it itself. Its user gets the right to do so, to a file that has nobody else's right:
   * a read-only disk is `addReadable`'s business, a writable one becomes that user's.
   */
  addReopened({ path, readOnly }: Disk): string {
    if (readOnly) return this.addReadable(path);
    const { user } = this.#machine;
    const number = this.#add(path, constants.O_RDWR);
    if (user !== undefined) fchownSync(this.#open[number - 3]!, user.uid, user.gid);
    return descriptorPath(number);
  }

  #add(path: string, flags: number): number {
    try {
      this.#open.push(openSync(path, flags));
    } catch (error) {
      throw wrapErrno(error, `cannot open ${path}`);
    }
    return this.#open.length + 2;
  }

  /** Closes ours; what was inherited stays open there. */
  [Symbol.dispose](): void {
    for (const fd of this.#open.splice(0)) closeSync(fd);
  }
}
