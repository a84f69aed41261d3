/** How long a launch took, step by step, in milliseconds. */
export interface LaunchTimes {
  /** In the order in which they happened; each from the end of the one before. */
  readonly steps: readonly { readonly name: string; readonly milliseconds: number }[];
  /** From the start of this process. */
  readonly total: number;
  /** Whether a saved state was restored. */
  readonly warm: boolean;
}

/** Takes the times of a launch. */
export class Timeline {
  readonly #steps: { name: string; milliseconds: number }[] = [];
  #last: number;
  readonly #start: number;
  warm = false;

  /** `start` and all other times are those of `performance.now()`, whose 0 is the start of this process. */
  constructor(start = 0) {
    this.#start = start;
    this.#last = start;
  }

  /** The step that ends now, or ended at `end`. */
  mark(name: string, end = performance.now()): void {
    this.#steps.push({ name, milliseconds: end - this.#last });
    this.#last = end;
  }

  get times(): LaunchTimes {
    return { steps: this.#steps, total: this.#last - this.#start, warm: this.warm };
  }
}
