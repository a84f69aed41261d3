import { RegistryError } from '../error.ts';
import { findHeader, type HttpRequest, type HttpResponse } from './message.ts';
import { showUrl } from './shown.ts';

const limit = 10;
const redirects = [301, 302, 303, 307, 308];

/**
 * Sends a request and follows where its response leads, for GET and HEAD only: of other methods the redirect itself is
 * the response. Once another origin comes into play, credentials, client certificates and custom headers stay behind,
 * for good. From https to http: RegistryError `denied`, unless the request's trust is insecure.
 */
export async function follow(
  request: HttpRequest,
  send: (request: HttpRequest) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  let own = true;
  let current = request;
  for (let count = 0; count <= limit; count++) {
    const response = await send(current);
    const location = findHeader(response, 'location');
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (!reading || location === undefined || !redirects.includes(response.status))
      return { ...response, own };
    response.body.discard();
    const url = readTarget(location, current.url, request.trust.insecure);
    own &&= url.origin === request.url.origin;
    current = own ? { ...current, url } : asStranger({ ...current, url });
  }
  throw new RegistryError('unavailable', `${showUrl(request.url)} redirects more than ${limit} times`, {
    detail: { method: request.method, url: showUrl(request.url), retryable: false },
  });
}

/** The request as any host may see it. CAs remain: they make nobody trusted but for what this request asks. */
export function asStranger(request: HttpRequest): HttpRequest {
  return { ...request, ownHeaders: undefined, trust: { ca: request.trust.ca, insecure: false } };
}

/**
 * Where a `Location` leads, seen from `base`. Not a URL of http or https: RegistryError `invalid`; from https to http:
 * `denied`, unless `insecure`.
 */
export function readTarget(location: string, base: URL, insecure: boolean): URL {
  const url = URL.parse(location, base.href);
  const from = showUrl(base);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new RegistryError('invalid', `${from} leads to something that is not a URL of http or https`, {
      detail: { url: from },
    });
  }
  if (base.protocol === 'https:' && url.protocol === 'http:' && !insecure) {
    throw new RegistryError('denied', `${from} leads from https to plain http, to ${showUrl(url)}`, {
      detail: { url: from, target: showUrl(url) },
      hint: 'this is allowed only for registries named with --insecure-registry',
    });
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}
