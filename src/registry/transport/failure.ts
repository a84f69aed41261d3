import { ShaleError } from '../../error/index.ts';
import { RegistryError } from '../error.ts';
import type { HttpRequest } from './message.ts';
import { showText, showUrl } from './shown.ts';

/** What kept a response away. */
export type NetworkReason =
  | 'connect'
  | 'first-byte'
  | 'stall'
  | 'name'
  | 'refused'
  | 'certificate'
  | 'tls'
  | 'proxy'
  | 'protocol'
  | 'broken';

type Asked = Pick<HttpRequest, 'method' | 'url'>;

/** RegistryError `unavailable`; `retryable` in its detail says whether the same request may succeed later. */
export function networkError(
  asked: Asked,
  reason: NetworkReason,
  why: string,
  cause?: unknown,
): RegistryError {
  const url = showUrl(asked.url);
  return new RegistryError('unavailable', `${asked.method} ${url}: ${why}`, {
    detail: {
      method: asked.method,
      url,
      reason,
      retryable: !['certificate', 'tls', 'proxy'].includes(reason),
    },
    ...(cause === undefined ? {} : { cause }),
    ...(reason === 'certificate' ? { hint: certificateHint(asked.url) } : {}),
    ...(reason === 'tls' ? { hint: plainHint(asked.url) } : {}),
  });
}

/** Turns an error of undici or of the operating system into a RegistryError that says what happened. */
export function wrapNetworkError(asked: Asked, error: unknown, connectTimeout: number): Error {
  if (error instanceof ShaleError) return error;
  const { code = '', message = '' } = rootCause(error);
  const host = asked.url.host;
  const fail = (reason: NetworkReason, why: string) =>
    // A parser's error holds what the server sent, and that is nobody's business.
    networkError(asked, reason, why, reason === 'protocol' ? undefined : error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return fail('connect', `no connection to ${host} within ${connectTimeout / 1000} s`);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return fail('name', `there is no address for ${host} (${code})`);
  if (code === 'ECONNREFUSED') return fail('refused', `${host} refuses connections`);
  if (/^UND_ERR_PRX|PROXY/i.test(code) || /proxy/i.test(message)) {
    return fail('proxy', `the proxy does not let us through: ${showText(message, 120)}`);
  }
  if (isCertificateCode(code))
    return fail('certificate', `the certificate of ${host} is not trusted (${code})`);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) {
    return fail('tls', `no TLS connection to ${host} is possible (${code})`);
  }
  if ((error as Error).name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return fail('protocol', `${host} does not speak HTTP as it should`);
  }
  return fail('broken', `the connection to ${host} broke${code === '' ? '' : ` (${showText(code, 60)})`}`);
}

function isCertificateCode(code: string): boolean {
  return (
    /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|INVALID_CA|PATH_LENGTH|HOSTNAME_MISMATCH)/.test(code) ||
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
  );
}

/** Happy eyeballs fail with one error for each address, and with none of their codes. */
function rootCause(error: unknown): NodeJS.ErrnoException {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const { code } = error as NodeJS.ErrnoException;
    return code === undefined ? rootCause(error.errors[0]) : (error as NodeJS.ErrnoException);
  }
  const cause = (error as Error | undefined)?.cause as NodeJS.ErrnoException | undefined;
  const own = error as NodeJS.ErrnoException;
  if (own?.code === undefined && cause?.code !== undefined) return cause;
  return error instanceof Error ? own : new Error(String(error));
}

function certificateHint(url: URL): string {
  return `put the CA's certificate in certs.d/${url.host}/ca.crt (--cert-dir), or name the host with --insecure-registry`;
}

function plainHint(url: URL): string {
  return `if ${url.host} speaks plain http, name it with --insecure-registry`;
}
