import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { wrapErrno } from '../error/index.ts';
import { VerityError } from './error.ts';
import { blockSize } from './layout.ts';

/** A file that is read, in blocks, from a descriptor. Disposing it closes the descriptor, unless that was given. */
export class BlockFile implements Disposable {
  readonly path: string;
  readonly fd: number;
  /** In bytes, when it was opened. */
  readonly size: number;
  readonly #changed: string;
  readonly #own: boolean;

  /** ShaleError `not-found` and the like if it cannot be opened, VerityError `invalid` if it is no regular file. */
  constructor(file: string | { readonly fd: number; readonly path: string }, flags = constants.O_RDONLY) {
    this.#own = typeof file === 'string';
    const path = typeof file === 'string' ? file : file.path;
    this.path = path;
    try {
      this.fd = typeof file === 'string' ? openSync(path, flags | (constants.O_NONBLOCK ?? 0)) : file.fd;
    } catch (error) {
      throw wrapErrno(error, `cannot ${flags === constants.O_RDONLY ? 'read' : 'write'} ${path}`);
    }
    const stats = fstatSync(this.fd, { bigint: true });
    if (!stats.isFile()) {
      this[Symbol.dispose]();
      throw new VerityError('invalid', `${path} is not a regular file`, { detail: { path } });
    }
    this.size = Number(stats.size);
    this.#changed = this.#state();
  }

  /** How many blocks there are; VerityError `invalid` if that is none, or not a whole number. */
  countBlocks(): number {
    if (this.size > 0 && this.size % blockSize === 0) return this.size / blockSize;
    const problem = this.size === 0 ? 'is empty' : `has ${this.size} bytes, no multiple of ${blockSize}`;
    throw new VerityError('invalid', `${this.path} ${problem}: a hash tree is made of whole blocks`, {
      detail: { path: this.path, size: this.size, blockSize },
      hint: 'pad it with zeros',
    });
  }

  /** VerityError `conflict` if somebody wrote to it since it was opened: what was read of it is of no one state. */
  checkUnchanged(): void {
    if (this.#state() === this.#changed) return;
    throw new VerityError('conflict', `${this.path} was changed while it was hashed`, {
      detail: { path: this.path },
      hint: 'try again when nobody writes to it',
    });
  }

  /** Whether both are of one file, by whatever names. */
  isSame(other: BlockFile): boolean {
    const [own, its] = [this, other].map(({ fd }) => fstatSync(fd, { bigint: true }));
    return own!.ino === its!.ino && own!.dev === its!.dev;
  }

  [Symbol.dispose](): void {
    if (this.#own) closeSync(this.fd);
  }

  #state(): string {
    const { size, mtimeNs } = fstatSync(this.fd, { bigint: true });
    return `${size} ${mtimeNs}`;
  }
}
