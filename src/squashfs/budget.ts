import { SquashfsError } from './error.ts';

/**
 * Bounds what an image may make its reader allocate. A small crafted image can name the same metadata again and again;
 * what it costs is charged before it is read.
 */
export class Budget {
  readonly #limit: number;
  #left: number;

  /** In bytes, roughly. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#left = limit;
  }

  /** Throws SquashfsError `exhausted` when the budget is used up. */
  charge(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw new SquashfsError('exhausted', `the image's tree takes more than ${this.#limit} bytes of memory`, {
      detail: { limit: this.#limit },
      hint: 'raise the limit treeBytes if the image is trusted',
    });
  }
}
