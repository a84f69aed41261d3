import { throwIfAborted } from '../../host/index.ts';
import { RegistryError } from '../error.ts';
import { isRetryableStatus, retry, showUrl } from '../transport/index.ts';
import type { BlobRequest } from './blob.ts';
import type { BlobResponse, CallOptions } from './options.ts';
import type { Session } from './session.ts';

/** A descriptor from outside may name any number. */
const most = 10;

/**
 * Opens the first of a foreign layer's `urls` that answers. They are any host's, so they see neither credentials nor
 * configured headers nor a client certificate, and are trusted only as the system says. If none answers: `missing`, the
 * registry's own error, with theirs as its detail.
 */
export async function openForeign(
  session: Session,
  urls: readonly string[],
  open: (request: BlobRequest) => Promise<BlobResponse>,
  missing: RegistryError,
  { signal }: CallOptions,
): Promise<BlobResponse> {
  const failures: string[] = [];
  for (const text of urls.slice(0, most)) {
    throwIfAborted(signal);
    const url = URL.parse(text);
    if (
      url === null ||
      !['http:', 'https:'].includes(url.protocol) ||
      url.username !== '' ||
      url.password !== ''
    ) {
      failures.push('not a URL of http or https');
      continue;
    }
    try {
      return await open((headers, ...expected) => get(session, url, headers, expected, signal));
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code === 'cancelled') throw error;
      failures.push(error.message);
    }
  }
  const { code, message, cause, hint } = missing;
  throw new RegistryError(code, `${message}; nor do the descriptor's urls give it`, {
    detail: { ...missing.detail, urls: failures },
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

function get(
  session: Session,
  url: URL,
  headers: Readonly<Record<string, string>>,
  expected: readonly number[],
  signal: AbortSignal | undefined,
) {
  const trust = { ca: [], insecure: false };
  const common = { 'user-agent': 'shale', 'accept-encoding': 'identity' };
  const options = {
    tries: session.tries,
    registry: url.host,
    what: 'read a foreign layer',
    onRetry: session.onRetry,
    signal,
  };
  return retry(async () => {
    const response = await session.send({
      method: 'GET',
      url,
      headers: { ...common, ...headers },
      trust,
      signal,
    });
    if (expected.includes(response.status)) return response;
    response.body.discard();
    const { status } = response;
    throw new RegistryError('unavailable', `${showUrl(url)} answered with status ${status}`, {
      detail: { method: 'GET', url: showUrl(url), status, retryable: isRetryableStatus(status) },
    });
  }, options);
}
