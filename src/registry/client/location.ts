import { RegistryError } from '../error.ts';
import { findHeader, type HttpResponse, readTarget } from '../transport/index.ts';
import type { Remote } from './remote.ts';

/** Where an upload goes on: any URL, its query kept, but not from https to http. */
export function readLocation(response: HttpResponse, remote: Remote): URL {
  const text = findHeader(response, 'location');
  if (text === undefined) {
    throw new RegistryError(
      'invalid',
      `${remote.endpoint.registry} starts an upload, but does not say where`,
      {
        detail: { registry: remote.endpoint.registry, status: response.status },
      },
    );
  }
  const url = URL.parse(text, response.url.href);
  // Registries behind a proxy that ends TLS often believe that they are asked by plain http.
  if (
    url?.protocol === 'http:' &&
    response.url.protocol === 'https:' &&
    url.hostname === response.url.hostname
  ) {
    url.protocol = 'https:';
    url.port = response.url.port;
    return readTarget(url.href, response.url, false);
  }
  return readTarget(text, response.url, remote.trust.insecure);
}

/** What ends an upload: its location, and what it is to be. */
export function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  // Not through URLSearchParams, which would write the registry's own state in another way than it came.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}
