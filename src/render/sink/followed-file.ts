import type { AtomicFile } from '../../host/index.ts';
import { type ByteRange, type Measured, VerityFollower } from '../../verity/index.ts';
import type { ImageFile } from './file-access.ts';

/** A file whose hashes are computed while it is written, by a thread that reads what was written behind the writer. */
export class FollowedFile implements ImageFile {
  readonly #file: AtomicFile;
  readonly #follower: VerityFollower;
  /** What was announced, and was written again since: superblocks, and what took the place of duplicates. */
  #rewritten: ByteRange[] = [];
  #announced = 0;
  #measured: Measured | undefined;

  /** `fail` hears of the thread's first failure. The file is this object's from now on. */
  constructor(file: AtomicFile, fail: (error: unknown) => void) {
    this.#file = file;
    this.#follower = new VerityFollower(file, { fail });
  }

  get path(): string {
    return this.#file.path;
  }
  get fd(): number {
    return this.#file.fd;
  }
  get size(): number {
    return this.#file.size;
  }
  /** Once it is committed. */
  get measured(): Measured | undefined {
    return this.#measured;
  }

  append(chunk: Uint8Array): number {
    const position = this.#file.size;
    this.writeAt(chunk, position);
    return position;
  }

  writeAt(chunk: Uint8Array, position: number): void {
    this.#file.writeAt(chunk, position);
    this.wrote(position, chunk.length);
  }

  /** Something was written through the descriptor. */
  wrote(position: number, length: number): void {
    // Whoever writes through the descriptor says first, by writing nothing, how large the file will be.
    if (length === 0) return;
    const end = position + length;
    if (position < this.#announced) {
      this.#rewritten.push([position, Math.min(end, this.#announced)]);
    }
    if (end <= this.#announced) return;
    this.#announced = end;
    this.#follower.advance(end);
  }

  truncate(length: number): void {
    this.#file.truncate(length);
    if (length >= this.#announced) return;
    this.#follower.takeBack(length);
    this.#announced = length;
    this.#rewritten = this.#rewritten.flatMap(([from, to]) =>
      from < length ? [[from, Math.min(to, length)]] : [],
    );
  }

  startWriteback(end?: number): void {
    this.#file.startWriteback(end);
  }

  async commit(): Promise<void> {
    const { size } = this.#file;
    const { tree: _, ...measured } = await this.#follower.finish({ size, rewritten: this.#rewritten });
    await this.#file.commit();
    this.#measured = measured;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#follower[Symbol.asyncDispose]();
    await this.#file[Symbol.asyncDispose]();
  }
}
