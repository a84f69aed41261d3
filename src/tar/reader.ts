import type { TarEntry, TarLimits } from './entry.ts';
import { TarParser } from './parser.ts';

/** The parser gets no more at once, so that what waits for the caller is bounded whatever a chunk holds. */
const sliceSize = 64 * 1024;

const zeros = new Uint8Array(sliceSize);

/** What the parser said, in order, until the caller has taken it. A number is a hole; `undefined` ends an entry. */
type Event = TarEntry | Uint8Array | number | undefined;

/**
 * A cursor over an archive. Take an entry with `next`, then its content with `body`, or simply go on:
 *
 *     await using tar = openTar(source);
 *     for (let entry = await tar.next(); entry !== undefined; entry = await tar.next()) {
 *       for await (const chunk of tar.body()) …
 *     }
 */
export class TarReader implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #parser: TarParser;
  readonly #events: Event[] = [];
  #taken = 0;
  #chunk: Uint8Array = zeros.subarray(0, 0);
  #terminated: boolean | undefined = undefined;
  /** Thrown once all that came before it in the stream was taken, so that chunking changes nothing. */
  #failure: { readonly error: unknown } | undefined = undefined;
  #inEntry = false;
  #count = 0;

  constructor(source: AsyncIterable<Uint8Array>, limits?: Partial<TarLimits>) {
    this.#source = source[Symbol.asyncIterator]();
    this.#parser = new TarParser(
      {
        entry: entry => this.#events.push(entry),
        data: chunk => this.#events.push(chunk),
        hole: length => this.#events.push(length),
        end: () => this.#events.push(undefined),
      },
      limits,
    );
  }

  /** After `next` returned `undefined`: whether the archive had its end blocks. Before that `undefined`. */
  get terminated(): boolean | undefined {
    return this.#terminated;
  }

  /** Passes over what is left of the entry before, and returns the next one; `undefined` at the archive's end. */
  async next(): Promise<TarEntry | undefined> {
    while (await this.#event()) {
      const event = this.#events[this.#taken++];
      if (event === undefined) this.#inEntry = false;
      else if (typeof event === 'object' && !(event instanceof Uint8Array)) {
        this.#inEntry = true;
        this.#count += 1;
        return event;
      }
    }
    return undefined;
  }

  /**
   * The content of the entry that `next` returned, holes as zeros. A chunk is valid until the next one is asked for, and
   * is not to be written to. A second call goes on where the first was left; after the following `next` it ends.
   */
  async *body(): AsyncGenerator<Uint8Array, void, undefined> {
    const of = this.#count;
    while (this.#inEntry && this.#count === of && (await this.#event())) {
      const event = this.#events[this.#taken];
      if (typeof event === 'number') {
        const length = Math.min(event, sliceSize);
        this.#events[this.#taken] = event - length;
        if (event === length) this.#taken += 1;
        yield zeros.subarray(0, length);
      } else {
        this.#taken += 1;
        if (event instanceof Uint8Array) yield event;
        else this.#inEntry = false;
      }
    }
  }

  /** Lets go of the source; for a caller that stops before the end. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Makes sure that there is an event to take; false at the archive's end. */
  async #event(): Promise<boolean> {
    while (this.#taken === this.#events.length) {
      if (this.#terminated !== undefined) return false;
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#taken = 0;
      this.#events.length = 0;
      if (this.#chunk.length === 0) {
        const { done, value } = await this.#source.next();
        if (done === true) {
          this.#terminated = this.#parser.finish().terminated;
          return false;
        }
        this.#chunk = value;
      }
      const slice = this.#chunk.subarray(0, sliceSize);
      this.#chunk = this.#chunk.subarray(slice.length);
      try {
        this.#parser.write(slice);
      } catch (error) {
        this.#failure = { error };
      }
    }
    return true;
  }
}

/** Opens a cursor on an uncompressed archive. Errors of the source pass through; those of the archive are TarErrors. */
export function openTar(source: AsyncIterable<Uint8Array>, limits?: Partial<TarLimits>): TarReader {
  return new TarReader(source, limits);
}
