import { CommitError } from './error.ts';

/**
 * Splits text as a Dockerfile does: blanks part words, single quotes keep all as it is, double quotes keep blanks, a
 * backslash the next character; `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}` stand for variables of the
 * image, an unknown one for nothing.
 */
export function splitWords(text: string, variables: ReadonlyMap<string, string>): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; ) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
      continue;
    }
    const [piece, next] = readPiece(text, at, variables);
    word = (word ?? '') + piece;
    at = next;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** The same for text that is one word, blanks and all. */
export function expandWord(text: string, variables: ReadonlyMap<string, string>): string {
  let word = '';
  for (let at = 0; at < text.length; ) {
    const [piece, next] = readPiece(text, at, variables);
    word += piece;
    at = next;
  }
  return word;
}

type Piece = readonly [text: string, next: number];

function readPiece(text: string, at: number, variables: ReadonlyMap<string, string>): Piece {
  const character = text[at]!;
  if (character === '\\') return [text[at + 1] ?? '\\', at + 2];
  if (character === "'") {
    const end = text.indexOf("'", at + 1);
    if (end < 0) throw unterminated(text);
    return [text.slice(at + 1, end), end + 1];
  }
  if (character === '"') return readQuoted(text, at + 1, variables);
  if (character === '$') return readVariable(text, at, variables);
  return [character, at + 1];
}

function readQuoted(text: string, start: number, variables: ReadonlyMap<string, string>): Piece {
  let quoted = '';
  for (let at = start; at < text.length; ) {
    const character = text[at]!;
    if (character === '"') return [quoted, at + 1];
    if (character === '\\' && '"$\\'.includes(text[at + 1] ?? 'n')) {
      quoted += text[at + 1];
      at += 2;
    } else if (character === '$') {
      const [value, next] = readVariable(text, at, variables);
      quoted += value;
      at = next;
    } else {
      quoted += character;
      at += 1;
    }
  }
  throw unterminated(text);
}

function readVariable(text: string, at: number, variables: ReadonlyMap<string, string>): Piece {
  const rest = text.slice(at);
  const plain = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(rest);
  if (plain !== null) return [variables.get(plain[1]!) ?? '', at + plain[0].length];
  const braced = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^{}]*))?\}/.exec(rest);
  if (braced === null) return ['$', at + 1];
  const [whole, name, operator, word = ''] = braced;
  const value = variables.get(name!) ?? '';
  const result = operator === undefined ? value : (value !== '') === (operator === '-') ? value : word;
  return [operator === '+' && value === '' ? '' : result, at + whole.length];
}

function unterminated(text: string): CommitError {
  return new CommitError('invalid', `a quote is not closed: ${JSON.stringify(text.slice(0, 200))}`);
}
