import type { Take } from './lzma2.ts';

/** Turns bytes into others in place; returns how many are final, the rest is to come again before what follows it. */
export interface Filter {
  decode(bytes: Uint8Array): number;
}

const roomBytes = 64 * 1024;

/** Stands between a decoder and its output where a filter needs to see some bytes ahead. */
export class FilteredOutput {
  readonly #filter: Filter;
  readonly #give: Take;
  readonly #bytes = new Uint8Array(roomBytes);
  /** `[given, final)` waits for the output, `[final, end)` for the filter. */
  #given = 0;
  #final = 0;
  #end = 0;

  constructor(filter: Filter, give: Take) {
    this.#filter = filter;
    this.#give = give;
  }

  /** As every `Take`: 0 only when the output has no room. */
  take(bytes: Uint8Array): number {
    if (!this.#flush()) return 0;
    this.#bytes.copyWithin(0, this.#final, this.#end);
    this.#end -= this.#final;
    const size = Math.min(bytes.length, roomBytes - this.#end);
    this.#bytes.set(size === bytes.length ? bytes : bytes.subarray(0, size), this.#end);
    this.#end += size;
    this.#given = 0;
    this.#final = this.#filter.decode(this.#bytes.subarray(0, this.#end));
    return size;
  }

  /** Hands out what is left; false if the output had no room for all of it. */
  finish(): boolean {
    this.#final = this.#end;
    return this.#flush();
  }

  #flush(): boolean {
    while (this.#given < this.#final) {
      const taken = this.#give(this.#bytes.subarray(this.#given, this.#final));
      if (taken === 0) return false;
      this.#given += taken;
    }
    return true;
  }
}
