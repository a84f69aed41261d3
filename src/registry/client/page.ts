import { RegistryError } from '../error.ts';
import { findHeader, type HttpResponse, readDocument, showUrl } from '../transport/index.ts';
import type { Call, Remote } from './remote.ts';

/** Of one page. Tags of some repositories come all at once. */
const pageLimit = 16 * 1024 * 1024;
const mostPages = 10_000;
const deadline = 120_000;

export interface Page {
  readonly response: HttpResponse;
  readonly bytes: Uint8Array;
}

/**
 * The pages of a list, each linked from the one before (RFC 8288 `Link` with `rel="next"`). A link to another origin, or one
 * that leads back: RegistryError `invalid`. A first page with another status than `expected` comes alone.
 */
export async function* readPages(
  remote: Remote,
  call: Call,
  ...expected: readonly number[]
): AsyncIterable<Page> {
  const seen = new Set<string>();
  let next: Call | undefined = call;
  while (next !== undefined) {
    const response: HttpResponse = await remote.request(next, 200, ...(seen.size === 0 ? expected : []));
    const bytes = await readDocument(response, {
      limit: pageLimit,
      deadline,
      what: `a list of ${remote.endpoint.registry}`,
    });
    yield { response, bytes };
    const url = response.status === 200 ? readNext(response) : undefined;
    if (url !== undefined && (seen.has(url.href) || seen.size === mostPages)) {
      throw new RegistryError('invalid', `${showUrl(response.url)} lists pages without an end`);
    }
    seen.add(url?.href ?? '');
    next = url === undefined ? undefined : { ...call, target: url };
  }
}

function readNext(response: HttpResponse): URL | undefined {
  for (const header of [response.headers.link ?? []].flat()) {
    for (const [, target = '', parameters = ''] of header.matchAll(/<([^<>]*)>([^<]*)/g)) {
      if (!/;\s*rel\s*=\s*"?next"?/i.test(parameters)) continue;
      const url = URL.parse(target, response.url.href);
      if (url?.origin === response.url.origin && response.own) return url;
      throw new RegistryError('invalid', `${showUrl(response.url)} continues its list at another host`, {
        detail: { url: showUrl(response.url), status: findHeader(response, 'status') },
      });
    }
  }
  return undefined;
}
