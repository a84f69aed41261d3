import type { RegistryError } from '../error.ts';

/** What a body needs of the connection it comes from. */
export interface Flow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/** So many bytes wait for the reader before the connection is paused. */
const highWater = 1024 * 1024;

/** A body that brings less than this has stalled: single bytes, now and then, keep nothing alive. */
const bytesPerSecond = 1024;

export interface BodyOptions {
  /** Milliseconds without progress, not counting the time in which the reader takes nothing. */
  readonly stall: number;
  readonly failStall: () => RegistryError;
  readonly failShort: (received: number, expected: number) => RegistryError;
  readonly failLong: (expected: number) => RegistryError;
}

/**
 * The bytes of a response, for one reader, in the very chunks that came from the socket: nothing is copied. A reader who
 * stops early (`break`, `return()`) closes the connection, for the rest would come in vain; `discard` does the same for a
 * body that nobody reads.
 */
export class ResponseBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  /** Told why, when the body breaks while it is wanted. */
  onBreak: ((error: Error) => void) | undefined;
  readonly #flow: Flow;
  readonly #options: BodyOptions;
  readonly #minimum: number;
  readonly #timer: NodeJS.Timeout;
  #chunks: Uint8Array[] = [];
  #queued = 0;
  #received = 0;
  #progress = 0;
  #expected: number | undefined;
  #paused = false;
  #ended = false;
  #dropped = false;
  #failure: Error | undefined;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array, undefined>> | undefined;

  constructor(flow: Flow, options: BodyOptions) {
    this.#flow = flow;
    this.#options = options;
    this.#minimum = Math.max(1, (options.stall / 1000) * bytesPerSecond);
    this.#timer = setTimeout(() => this.#stalled(), options.stall).unref();
  }

  /** Bytes that have come so far. */
  get received(): number {
    return this.#received;
  }

  /** Demands this many bytes: a body that ends before is a broken connection, one that goes on is corrupt. */
  expect(length: number): void {
    this.#expected = length;
    if (this.#ended) this.#finish();
    else if (this.#received > length) this.#abort(this.#options.failLong(length));
  }

  /** For the connection: another chunk. */
  push(chunk: Uint8Array): void {
    if (this.#failure || this.#ended || chunk.length === 0) return;
    this.#received += chunk.length;
    if (this.#dropped) {
      if (this.#received > discardLimit) this.#abort(abandoned());
      return;
    }
    if (this.#expected !== undefined && this.#received > this.#expected) {
      this.#abort(this.#options.failLong(this.#expected));
      return;
    }
    this.#progress += chunk.length;
    if (this.#progress >= this.#minimum) {
      this.#progress = 0;
      this.#timer.refresh();
    }
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: chunk });
      this.#waiting = undefined;
      return;
    }
    this.#chunks.push(chunk);
    this.#queued += chunk.length;
    if (this.#queued >= highWater && !this.#paused) {
      this.#paused = true;
      this.#flow.pause();
    }
  }

  /** For the connection: that was all. */
  end(): void {
    if (this.#failure || this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#finish();
  }

  /** For the connection: it broke. What came before can still be read. */
  fail(error: Error): void {
    if (this.#failure || this.#ended) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    if (!this.#dropped) this.onBreak?.(error);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** Ends it with this error, and the connection with it. */
  break(error: Error): void {
    if (!this.#ended && !this.#failure) this.#abort(error);
  }

  /** Nobody will read this. A short rest is let through, so that the connection can be used again. */
  discard(): void {
    this.#dropped = true;
    this.#chunks = [];
    if (this.#ended || this.#failure) return;
    if (this.#received > discardLimit) this.#abort(abandoned());
    else if (this.#paused) this.#resume();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    // Resuming may bring chunks before it returns.
    if (this.#paused && this.#queued < highWater / 2) this.#resume();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#queued -= chunk.length;
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#ended || this.#dropped) return Promise.resolve({ done: true, value: undefined });
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#chunks = [];
    this.#dropped = true;
    if (!this.#ended && !this.#failure) this.#abort(abandoned());
    return Promise.resolve({ done: true, value: undefined });
  }

  #resume(): void {
    this.#paused = false;
    this.#timer.refresh();
    this.#flow.resume();
  }

  #stalled(): void {
    if (this.#paused) return;
    this.#abort(this.#options.failStall());
  }

  #finish(): void {
    const [received, expected] = [this.#received, this.#expected ?? this.#received];
    if (received > expected) this.#failure = this.#options.failLong(expected);
    if (received < expected) this.#failure = this.#options.failShort(received, expected);
    if (this.#failure === undefined) {
      this.#waiting?.resolve({ done: true, value: undefined });
    } else {
      if (!this.#dropped) this.onBreak?.(this.#failure);
      this.#waiting?.reject(this.#failure);
    }
    this.#waiting = undefined;
  }

  #abort(error: Error): void {
    this.fail(error);
    this.#flow.abort(error);
  }
}

/** So many bytes of a body that nobody wants are cheaper than a new connection. */
const discardLimit = 64 * 1024;

function abandoned(): Error {
  return new Error('the body was abandoned');
}
