import type { ErrorOptions } from '../error/index.ts';

/**
 * Bounds what an image may make its reader allocate. A small crafted image can name the same metadata again and again;
 * what it costs is charged before it is read.
 */
export class Budget {
  readonly #limit: number;
  readonly #fail: (message: string, options: ErrorOptions) => Error;
  #left: number;

  /** `limit` in bytes, roughly; `fail` makes the error, of the format's own class. */
  constructor(limit: number, fail: (message: string, options: ErrorOptions) => Error) {
    this.#limit = limit;
    this.#left = limit;
    this.#fail = fail;
  }

  /** Throws what `fail` makes when the budget is used up. */
  charge(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw this.#fail(`the image's tree takes more than ${this.#limit} bytes of memory`, {
      detail: { limit: this.#limit },
      hint: 'raise the limit treeBytes if the image is trusted',
    });
  }
}
