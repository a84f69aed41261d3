import { RegistryError } from '../error.ts';
import { findHeader, type HttpResponse, showUrl } from '../transport/index.ts';

/** Compressed content is not what was asked for: digests are of the bytes as they are. */
export function refuseEncoding(response: HttpResponse): void {
  const encoding = findHeader(response, 'content-encoding') ?? 'identity';
  if (encoding === '' || encoding.toLowerCase() === 'identity') return;
  response.body.discard();
  const url = showUrl(response.url);
  throw new RegistryError('unsupported', `${url} sends its content encoded, which was not asked for`, {
    detail: { url, status: response.status },
  });
}
