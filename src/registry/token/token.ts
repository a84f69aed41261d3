import { Secret } from '../credential/index.ts';
import { findHeader, type HttpResponse } from '../transport/index.ts';

/** What a bearer shows, and how long it counts. */
export interface Token {
  readonly secret: Secret;
  /** On the clock of `performance.now()`, with a margin: from then on it is not used any more. */
  readonly expires: number;
}

/** Seconds, for a token that does not say (distribution's token specification). */
const defaultLifetime = 60;
const longestLifetime = 24 * 3600;

/** A token server's answer; `undefined` if it holds no token. */
export function readToken(
  document: unknown,
  response: Pick<HttpResponse, 'headers'>,
  now = performance.now(),
): Token | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const fields = document as Record<string, unknown>;
  const text = [fields.token, fields.access_token].find(value => typeof value === 'string' && value !== '');
  // In a header anything else would end the line, or the request.
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) return undefined;
  const announced = Number(fields.expires_in);
  const lifetime = announced > 0 ? Math.min(announced, longestLifetime) : defaultLifetime;
  const left = Math.max(lifetime - readAge(fields.issued_at, response), 0);
  return { secret: new Secret(text), expires: now + (left - Math.min(left / 4, 30)) * 1000 };
}

/** How long ago the token was issued, in seconds, by the server's own clock if it shows that. */
function readAge(issued: unknown, response: Pick<HttpResponse, 'headers'>): number {
  const start = typeof issued === 'string' ? Date.parse(issued) : Number.NaN;
  if (Number.isNaN(start)) return 0;
  const date = Date.parse(findHeader(response, 'date') ?? '');
  return Math.max(((Number.isNaN(date) ? Date.now() : date) - start) / 1000, 0);
}
