/** Numbers in a growing Float64Array, to be posted to another thread without boxing each. */
export class NumberList {
  #values = new Float64Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push1(a: number): void {
    if (this.#length + 1 > this.#values.length) this.#grow();
    this.#values[this.#length++] = a;
  }

  push2(a: number, b: number): void {
    if (this.#length + 2 > this.#values.length) this.#grow();
    this.#values[this.#length++] = a;
    this.#values[this.#length++] = b;
  }

  push3(a: number, b: number, c: number): void {
    this.push2(a, b);
    this.push1(c);
  }

  /** What was pushed since the last call, in an array of its own. */
  drain(): Float64Array<ArrayBuffer> {
    const drained = this.#values.slice(0, this.#length);
    this.#length = 0;
    return drained;
  }

  #grow(): void {
    const larger = new Float64Array(this.#values.length * 2);
    larger.set(this.#values);
    this.#values = larger;
  }
}
