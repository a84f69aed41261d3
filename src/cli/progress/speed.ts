/** Milliseconds that the speed is an average of, and between two samples. */
const memory = 5000;
const apart = 250;

/** How fast something has gone lately: bytes in a second over the last seconds. Bounded memory, however often it is told. */
export class Speed {
  readonly #samples: { readonly bytes: number; readonly time: number }[] = [];

  /** `bytes` are all so far, `time` is in milliseconds and never goes back. */
  add(bytes: number, time: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && time - last.time < apart) return;
    this.#samples.push({ bytes, time });
    while (this.#samples.length > 2 && this.#samples[1]!.time < time - memory) this.#samples.shift();
  }

  /** Bytes in a second up to now; 0 while there is nothing to say. */
  rate(bytes: number, time: number): number {
    const first = this.#samples[0];
    if (first === undefined || time - first.time < apart) return 0;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (time - first.time));
  }
}
