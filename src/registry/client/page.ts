import { RegistryError } from '../error.ts';
import { type HttpResponse, showUrl } from '../transport/index.ts';
import type { Call, Document, Remote } from './remote.ts';

/** Of one page. Tags of some repositories come all at once. */
const pageLimit = 16 * 1024 * 1024;
const mostPages = 10_000;

/**
 * The pages of a list, each linked from the one before (RFC 8288 `Link` with `rel="next"`). A link to another origin, or one
 * that leads back: RegistryError `invalid`. A first page with another status than `expected` comes alone.
 */
export async function* readPages(
  remote: Remote,
  call: Call,
  ...expected: readonly number[]
): AsyncIterable<Document> {
  const seen = new Set<string>();
  let next: Call | undefined = call;
  while (next !== undefined) {
    const page: Document = await remote.document(next, pageLimit, 200, ...(seen.size === 0 ? expected : []));
    const { response } = page;
    yield page;
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
        detail: { url: showUrl(response.url) },
      });
    }
  }
  return undefined;
}
