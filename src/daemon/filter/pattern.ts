import { setFlagsFromString } from 'node:v8';

/** Go's names of character classes, as they stand inside brackets. */
const classes: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/**
 * A regular expression as Go writes it. JavaScript's are nearly the same: flags at the start, named groups, `\A`, `\z`, `\Q…\E` and
 * classes such as `[[:alpha:]]` are written otherwise. Throws what `reject` makes of the reason.
 */
export function compilePattern(source: string, reject: (why: string) => Error): RegExp {
  // Go's take time in proportion to the text. Those that backtrack for too long here are given to V8's other engine, which does so, too.
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
  const leading = /^\(\?([ims]+)\)/.exec(source);
  // That engine knows neither lookaround nor `i`: it has none where there is another word for it.
  const [start, end] = leading?.[1]?.includes('m') ? ['(?<![\\s\\S])', '(?![\\s\\S])'] : ['^', '$'];
  const translated = source
    .slice(leading?.[0].length ?? 0)
    .replace(/\\Q(.*?)(?:\\E|$)/gs, (_, literal: string) => literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
    .replace(/(?<!\\)(?:\\\\)*\\([Az])/g, (text, anchor: string) => {
      return `${text.slice(0, -2)}${anchor === 'A' ? start : end}`;
    })
    .replace(/\(\?P</g, '(?<')
    .replace(/\[:(\^?)([a-z]+):\]/g, (text, not: string, name: string) => {
      return not === '' ? (classes[name] ?? text) : text;
    });
  try {
    // Not `v` or `u`: these refuse escapes that Go allows, such as \- and \".
    return new RegExp(translated, [...new Set(leading?.[1])].join(''));
  } catch (error) {
    throw reject(`the regular expression cannot be understood: ${(error as Error).message}`);
  }
}
