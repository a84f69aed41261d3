export interface ConsoleTailOptions {
  /** How many bytes are kept; 64 KiB if not given. */
  readonly limit?: number;
}

/** The last that a guest wrote on its console. It is data from outside: whoever shows it escapes it. */
export class ConsoleTail {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();

  constructor({ limit = 65536 }: ConsoleTailOptions = {}) {
    this.#limit = limit;
  }

  /** Takes bytes as they come, and drops the oldest beyond the limit. */
  append(bytes: Uint8Array): void {
    for (const listener of this.#listeners) listener(bytes);
    const kept = bytes.length > this.#limit ? bytes.subarray(bytes.length - this.#limit) : bytes;
    this.#chunks.push(new Uint8Array(kept));
    this.#size += kept.length;
    // Joined once in a while, so that many small chunks cost no more than a few large ones.
    if (this.#size > 2 * this.#limit || this.#chunks.length > 1024) this.#compact();
  }

  /** The bytes that are kept. */
  get bytes(): Uint8Array {
    this.#compact();
    return this.#chunks[0] ?? new Uint8Array();
  }

  /** The same as text; what is not UTF-8 is replaced. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Hands over everything that comes from now on. The result takes the listener off again. */
  onData(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #compact(): void {
    if (this.#chunks.length === 0) return;
    const all = Buffer.concat(this.#chunks);
    const kept = all.subarray(Math.max(0, all.length - this.#limit));
    this.#chunks = [Uint8Array.prototype.slice.call(kept)];
    this.#size = kept.length;
  }
}
