import { DaemonError } from '../error.ts';

export type Token =
  | { readonly kind: 'field' | 'value'; readonly text: string; readonly at: number }
  | { readonly kind: 'quoted'; readonly quote: string; readonly text: string; readonly at: number }
  | { readonly kind: 'separator'; readonly text: ',' | '.'; readonly at: number }
  | { readonly kind: 'operator'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number };

const space = /\s*/y;
const field = /[A-Za-z0-9_]+/y;
const operator = /[=!~]+/y;
const value = /[^\s,\p{Cc}\p{Cf}\p{Co}\p{Cn}]+/uy;
const escapeSequence = /\\(?:[abfnrtv\\]|[0-7]{3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})/y;

const controls: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 };

/** The token at `from`; what may stand there as it is depends on whether a value is due. The next begins at `next`. */
export function scan(
  input: string,
  from: number,
  due: 'field' | 'value',
): { readonly token: Token; readonly next: number } {
  const at = from + match(space, input, from)!.length;
  const first = input[at];
  if (first === undefined) return { token: { kind: 'end', text: '', at }, next: at };
  if (first === '"' || first === '/' || first === '|') return scanQuoted(input, at, first);
  if (first === ',' || first === '.') return { token: { kind: 'separator', text: first, at }, next: at + 1 };
  const found = match(operator, input, at);
  if (found !== undefined) return { token: { kind: 'operator', text: found, at }, next: at + found.length };
  const text = match(due === 'value' ? value : field, input, at);
  if (text !== undefined) return { token: { kind: due, text, at }, next: at + text.length };
  throw malformed(input, at, `${JSON.stringify(first)} has no meaning here`);
}

function scanQuoted(input: string, at: number, quote: string): { token: Token; next: number } {
  const pieces: Buffer[] = [];
  for (let position = at + 1; position < input.length; ) {
    const character = String.fromCodePoint(input.codePointAt(position)!);
    if (character === quote) {
      const text = Buffer.concat(pieces).toString();
      return { token: { kind: 'quoted', quote, text, at }, next: position + 1 };
    }
    if (character === '\n' || character === '\0') break;
    const escaped =
      character !== '\\'
        ? character
        : (match(escapeSequence, input, position) ?? input.slice(position, position + 2));
    pieces.push(escaped[0] === '\\' ? decodeEscape(input, position, escaped, quote) : Buffer.from(escaped));
    position += escaped.length;
  }
  throw malformed(input, at, 'what is quoted here has no end');
}

/** Octal and \x are bytes, as in Go; \u and \U are characters. */
function decodeEscape(input: string, at: number, escaped: string, quote: string): Buffer {
  const letter = escaped[1]!;
  if (letter === quote) return Buffer.from(quote);
  if (letter in controls && escaped.length === 2) return Buffer.from([controls[letter]!]);
  const digits = escaped.slice(/[xuU]/.test(letter) ? 2 : 1);
  const number = Number.parseInt(digits, /[xuU]/.test(letter) ? 16 : 8);
  const known = digits.length > 1 && (letter === 'u' || letter === 'U' ? number <= 0x10ffff : number <= 255);
  if (!known) throw malformed(input, at, `there is no escape ${escaped}`);
  return letter === 'u' || letter === 'U' ? Buffer.from(String.fromCodePoint(number)) : Buffer.from([number]);
}

function match(pattern: RegExp, input: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(input)?.[0];
}

export function malformed(input: string, at: number, why: string): DaemonError {
  return new DaemonError(
    'invalid',
    `the filter ${JSON.stringify(input)} is malformed at character ${at}: ${why}`,
    {
      detail: { filter: input, at },
      hint: 'a filter looks like name==x,labels."a.b"~=/^y/',
    },
  );
}
