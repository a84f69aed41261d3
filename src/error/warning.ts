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
] as const;
export type WarningCode = (typeof warningCodes)[number];

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** Where: the layer's position counted from the oldest, 0 first; absent when no layer is to blame. */
  readonly layer?: number;
  readonly path?: string;
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
    const count = this.counts.get(warning.code) ?? 0;
    this.counts.set(warning.code, count + times);
    if (count < examplesPerCode) this.examples.push(warning);
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }
}
