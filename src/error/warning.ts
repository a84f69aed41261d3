import { ShaleError } from './shale-error.ts';

/** What the merge contract accepts "with a warning" (ARCHITECTURE, "Merge semantics"). */
export const warningCodes = [
  'parent-replaced',
  'time-clamped',
  'xattr-dropped',
  'overlay-xattr',
  'whiteout-device',
  'tar-unterminated',
  'privilege',
  'left-out',
  'unsealed',
] as const;
export type WarningCode = (typeof warningCodes)[number];

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** Where: the layer's position counted from the oldest, 0 first; absent when no layer is to blame. */
  readonly layer?: number;
  readonly path?: string;
}

/** What was collected, as plain data: it crosses threads, and becomes JSON. */
export interface WarningReport {
  readonly counts: readonly (readonly [WarningCode, number])[];
  readonly examples: readonly Warning[];
}

/** At most so many warnings of a code are kept whole; the rest are only counted, so that memory stays bounded. */
const examplesPerCode = 100;

/**
 * Collects warnings: counts all, keeps the first of each code. Under `strict` the first one is thrown as an
 * `invalid` error instead.
 */
export class Warnings {
  readonly strict: boolean;
  readonly counts = new Map<WarningCode, number>();
  readonly examples: Warning[] = [];
  readonly #kept = new Map<WarningCode, number>();

  constructor(options: { strict?: boolean } = {}) {
    this.strict = options.strict ?? false;
  }

  add(warning: Warning, times = 1): void {
    if (this.strict) {
      throw new ShaleError('invalid', warning.message, {
        detail: { ...warning },
        hint: 'this is only a warning without --strict',
      });
    }
    this.counts.set(warning.code, (this.counts.get(warning.code) ?? 0) + times);
    const kept = this.#kept.get(warning.code) ?? 0;
    if (kept === examplesPerCode) return;
    this.#kept.set(warning.code, kept + 1);
    this.examples.push(warning);
  }

  report(): WarningReport {
    return { counts: [...this.counts], examples: this.examples };
  }

  /** Adds what another collector, perhaps in another thread, has collected. */
  absorb({ counts, examples }: WarningReport): void {
    for (const warning of examples) this.add(warning, 0);
    for (const [code, count] of counts) this.counts.set(code, (this.counts.get(code) ?? 0) + count);
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }
}
