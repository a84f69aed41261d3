/** One way to authenticate that a server offers (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case, values without their quotes. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** More than any registry sends; what comes after is ignored. */
const longest = 16 * 1024;

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const parameter = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
const separator = /[ \t,]+/y;

/**
 * The challenges of `WWW-Authenticate`, of which there may be several in a header and several headers. Never fails: where
 * a header cannot be read, what came before counts. A parameter that comes twice counts as it came first.
 */
export function parseChallenges(headers: string | readonly string[] | undefined): Challenge[] {
  return [headers ?? []].flat().flatMap(text => parseHeader(text.slice(0, longest)));
}

function parseHeader(text: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (match !== null) position = pattern.lastIndex;
    return match;
  };
  for (take(separator); position < text.length; take(separator)) {
    const current = challenges.at(-1);
    const found = current === undefined ? null : take(parameter);
    if (found !== null) {
      const name = found[1]!.toLowerCase();
      const value = found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? '';
      if (!current!.parameters.has(name)) current!.parameters.set(name, value);
      continue;
    }
    const scheme = take(token);
    if (scheme === null) break;
    // A value without a name (`Negotiate dG9rZW4`) becomes a scheme that nobody knows: registries have no use for either.
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters: new Map() });
  }
  return challenges;
}
