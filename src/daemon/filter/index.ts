import { type Adaptor, matches, type Selector } from './match.ts';
import { parseFilter } from './parse.ts';

/**
 * containerd's filters (its package filters): selectors with commas between them, all of which must hold.
 *
 *     filter    = selector *("," selector)
 *     selector  = field *("." field) [operator value]
 *     operator  = "==" | "!=" | "~="              (equal, not equal, matches the regular expression)
 *     field     = 1*(ALPHA / DIGIT / "_") / quoted
 *     value     = characters up to a comma or a space / quoted
 *
 * Quoted is as in Go, between `"`; a regular expression also between `/` or `|`. Without an operator the field must be there.
 */
export type { Adaptor } from './match.ts';

export type Filter = (adaptor: Adaptor) => boolean;

/** Holds where one of the filters does; without any, always. DaemonError `invalid` for one that cannot be understood. */
export function compileFilters(filters: readonly string[]): Filter {
  if (filters.length === 0) return () => true;
  const alternatives: readonly (readonly Selector[])[] = filters.map(parseFilter);
  return adaptor => alternatives.some(selectors => selectors.every(selector => matches(selector, adaptor)));
}
