import type { Selector } from './match.ts';
import { compilePattern } from './pattern.ts';
import { malformed, scan, type Token } from './scan.ts';

/** The selectors of a filter; none for an empty one. DaemonError `invalid`. */
export function parseFilter(input: string): Selector[] {
  if (input === '') return [];
  const selectors: Selector[] = [];
  for (let position = 0; ; ) {
    const { selector, next, end } = parseSelector(input, position);
    selectors.push(selector);
    if (end) return selectors;
    position = next;
  }
}

/** `next` is behind the comma that ends the selector. */
function parseSelector(
  input: string,
  from: number,
): { readonly selector: Selector; readonly next: number; readonly end: boolean } {
  const path: string[] = [];
  let { token, next } = scan(input, from, 'field');
  for (;;) {
    path.push(readField(input, token));
    ({ token, next } = scan(input, next, 'field'));
    if (token.kind !== 'separator' || token.text !== '.') break;
    ({ token, next } = scan(input, next, 'field'));
  }
  let selector: Selector = { path, operator: 'present' };
  if (token.kind === 'operator') {
    const operator = token.text;
    if (operator !== '==' && operator !== '!=' && operator !== '~=') {
      throw malformed(input, token.at, `${operator} is none of ==, != and ~=`);
    }
    ({ token, next } = scan(input, next, 'value'));
    const value = readValue(input, token, operator);
    selector =
      operator === '~='
        ? { path, operator, pattern: compilePattern(value, why => malformed(input, token.at, why)) }
        : { path, operator, value };
    ({ token, next } = scan(input, next, 'field'));
  }
  if (token.kind !== 'end' && token.text !== ',') {
    throw malformed(input, token.at, 'a comma or an operator is due');
  }
  return { selector, next, end: token.kind === 'end' };
}

function readField(input: string, token: Token): string {
  if (token.kind === 'field' || (token.kind === 'quoted' && token.quote === '"')) return token.text;
  throw malformed(input, token.at, 'the name of a field is due');
}

function readValue(input: string, token: Token, operator: string): string {
  if (token.kind === 'value') return token.text;
  if (token.kind === 'quoted' && (token.quote === '"' || operator === '~=')) return token.text;
  throw malformed(input, token.at, 'a value is due');
}
