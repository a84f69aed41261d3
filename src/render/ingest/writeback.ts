import { startWriteback } from '../../host/sync.ts';

/** So much is left to the page cache before the disk is told to begin. In bytes. */
const leastBytes = 16 * 1024 * 1024;

/** Gets the disk going while a file is written from front to back, so that syncing it at the end is short. */
export class Writeback {
  readonly #file: number;
  #started = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** All before `end` is written, in bytes. */
  wrote(end: number): void {
    if (end - this.#started < leastBytes) return;
    startWriteback(this.#file, this.#started, end - this.#started);
    this.#started = end;
  }
}
