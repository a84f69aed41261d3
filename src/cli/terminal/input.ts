import { isErrno, wrapErrno } from '../../error/index.ts';

export interface InputOptions {
  /** Takes what was read and gives what goes on; `undefined` ends nothing, but nothing comes any more. */
  readonly filter?: ((bytes: Uint8Array) => Uint8Array | undefined) | undefined;
}

/**
 * Standard input, read only as fast as it is taken, and not before `open()`: until then what is typed belongs to whoever reads the
 * terminal next. Ends at once when it is closed or its iterator is returned, even while nothing comes.
 */
export class StandardInput implements AsyncIterable<Uint8Array> {
  readonly #filter: InputOptions['filter'];
  #isOpen = false;
  #isClosed = false;
  /** Wakes the one who waits for the next bytes. */
  #wake: () => void = () => {};

  constructor({ filter }: InputOptions = {}) {
    this.#filter = filter;
  }

  open(): void {
    this.#isOpen = true;
    this.#wake();
  }

  /** Safe to call twice. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = await this.#next();
        return value === undefined ? { value, done: true } : { value, done: false };
      },
      return: async () => {
        this.close();
        return { value: undefined, done: true };
      },
    };
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (!this.#isOpen && !this.#isClosed) await this.#woken();
    while (!this.#isClosed) {
      const read = await this.#read();
      if (read === undefined) return undefined;
      const passed = this.#filter === undefined ? read : this.#filter(read);
      while (passed === undefined && !this.#isClosed) await this.#woken();
      if (passed !== undefined && passed.length > 0) return passed;
    }
    return undefined;
  }

  /** The next bytes; `undefined` at the end. */
  async #read(): Promise<Uint8Array | undefined> {
    const { stdin } = process;
    let failure: unknown;
    const fail = (error: unknown) => {
      failure = error;
      this.#wake();
    };
    const wake = () => this.#wake();
    stdin.on('readable', wake).on('end', wake).on('close', wake).on('error', fail);
    try {
      while (!this.#isClosed) {
        const chunk = stdin.read() as Uint8Array | null;
        if (chunk !== null) return chunk;
        // A terminal that is gone has nothing more to say.
        if (failure !== undefined && !isErrno(failure, 'EIO'))
          throw wrapErrno(failure, 'reading standard input');
        if (stdin.readableEnded || stdin.destroyed || failure !== undefined) return undefined;
        await this.#woken();
      }
      return undefined;
    } finally {
      stdin.off('readable', wake).off('end', wake).off('close', wake).off('error', fail);
    }
  }

  async #woken(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#wake = resolve;
    });
  }
}
