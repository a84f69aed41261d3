import { closeSync, constants, fchmodSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { type ByteString, byteString } from '../tree/index.ts';
import { umask } from './environment.ts';
import { HostError } from './error.ts';
import { pathBytes } from './libc.ts';
import { canSyncFilesystem, startWriteback } from './sync.ts';
import { writeAll } from './write.ts';

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
/** From this size on, a file's way to the disk begins before the final sync. */
const largeFile = 1024 * 1024;

interface OpenFile {
  readonly id: number;
  readonly size: number;
  readonly fd: number;
  position: number;
  hole: boolean;
}

/** Files whose place is not known yet, flat in one private directory, named by their numbers. */
export class Staging {
  readonly #prefix: ByteString;
  readonly #sizes = new Map<number, number>();
  /** Whether the umask takes the owner's own permissions. */
  readonly #masked: boolean;
  readonly #syncEach = !canSyncFilesystem();
  #open: OpenFile | undefined;

  constructor(path: string) {
    this.#masked = (umask() & 0o600) !== 0;
    this.#prefix = `${byteString(path)}/`;
  }

  begin(id: number, size: number): void {
    if (this.#open !== undefined) throw misuse(`file ${id} begins before file ${this.#open.id} has ended`);
    if (this.#sizes.has(id)) throw misuse(`file ${id} begins twice`);
    try {
      const fd = this.create(this.at(id));
      this.#open = { id, size, fd, position: 0, hole: false };
    } catch (error) {
      throw wrapErrno(error, 'cannot stage a file');
    }
  }

  /** Creates an empty file, mode 0600, open for writing: a user must be able to write to a file to set its xattrs. */
  create(at: ByteString): number {
    const fd = openSync(pathBytes(at), createFlags, 0o600);
    if (this.#masked) fchmodSync(fd, 0o600);
    return fd;
  }

  append(chunk: Uint8Array): void {
    const open = this.#current(chunk.length);
    try {
      writeAll(open.fd, chunk, open.position);
    } catch (error) {
      throw wrapErrno(error, 'cannot write a staged file');
    }
    open.position += chunk.length;
    open.hole = false;
  }

  /** Zeros that take no space: nothing is written there. */
  hole(length: number): void {
    const open = this.#current(length);
    open.position += length;
    open.hole ||= length > 0;
  }

  /** `complete` is called with the file still open, when all of it is written. */
  end(complete?: (fd: number, at: ByteString) => void): void {
    const open = this.#current(0);
    if (open.position !== open.size)
      throw misuse(`file ${open.id} ends after ${open.position} of ${open.size} bytes`);
    try {
      if (open.hole) ftruncateSync(open.fd, open.size);
      complete?.(open.fd, this.at(open.id));
      if (this.#syncEach) fsyncSync(open.fd);
      else if (open.size >= largeFile) startWriteback(open.fd, 0, open.size);
    } catch (error) {
      throw wrapErrno(error, 'cannot write a staged file');
    }
    this.close();
    this.#sizes.set(open.id, open.size);
  }

  /** Where the bytes of a file lie, which must have ended and be of that size. */
  find(id: number, size: number): ByteString {
    const staged = this.#sizes.get(id);
    if (staged !== size) throw misuse(`file ${id} was staged with ${staged ?? 'no'} bytes, not with ${size}`);
    return this.at(id);
  }

  /** A name in the staging directory. */
  at(name: number | string): ByteString {
    return this.#prefix + name;
  }

  /** Gives up a file that has begun. */
  close(): void {
    if (this.#open === undefined) return;
    closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #current(more: number): OpenFile {
    if (this.#open === undefined) throw misuse('no file has begun');
    if (this.#open.position + more > this.#open.size)
      throw misuse(`file ${this.#open.id} is longer than its ${this.#open.size} bytes`);
    return this.#open;
  }
}

function misuse(message: string): HostError {
  return new HostError('internal', message);
}
