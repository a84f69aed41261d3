import type { ErrorCode } from '../../error/index.ts';
import { RegistryError } from '../error.ts';
import {
  findHeader,
  type HttpResponse,
  isRetryableStatus,
  type Method,
  parseRetryAfter,
  readDocument,
  showText,
  showUrl,
} from '../transport/index.ts';

const documentLimit = 64 * 1024;
const deadline = 10_000;

const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'denied',
  404: 'not-found',
  405: 'unsupported',
  409: 'conflict',
  413: 'exhausted',
  501: 'unsupported',
};

/** What was asked, for the error. `what` completes "cannot …". */
export interface Refused {
  readonly method: Method;
  readonly what: string;
  readonly registry: string;
  /** Whether a credential was shown. */
  readonly known: boolean;
}

/** The error that a response with an unwanted status stands for. Reads its body. */
export async function readRefusal(asked: Refused, response: HttpResponse): Promise<RegistryError> {
  const { status } = response;
  const url = showUrl(response.url);
  const said = asked.method === 'HEAD' ? undefined : await readErrors(response);
  if (asked.method === 'HEAD') response.body.discard();
  // Where a redirect leads, 401 and 403 say that the link is too old. The registry gives a new one.
  const stale = !response.own && (status === 401 || status === 403);
  const retryable = stale || isRetryableStatus(status);
  const retryAfter = parseRetryAfter(findHeader(response, 'retry-after'));
  const code = retryable || status >= 500 ? 'unavailable' : (codes[status] ?? 'invalid');
  const why = said === undefined ? `status ${status}` : `status ${status}, ${said.text}`;
  const hint = retryable && status !== 429 ? undefined : hints(asked, status);
  return new RegistryError(
    said?.code === 'UNSUPPORTED' ? 'unsupported' : code,
    `cannot ${asked.what}: ${response.own ? asked.registry : response.url.host} answered with ${why}`,
    {
      detail: {
        method: asked.method,
        url,
        status,
        retryable,
        ...(said?.code === undefined ? {} : { code: said.code }),
        ...(retryAfter === undefined ? {} : { retryAfter }),
      },
      ...(hint === undefined ? {} : { hint }),
    },
  );
}

function hints({ registry, known }: Refused, status: number): string | undefined {
  if (status === 401)
    return known ? `the login is not accepted: shale login ${registry}` : `shale login ${registry}`;
  if (status === 403) return known ? 'the login has not the right to do this' : `shale login ${registry}`;
  if (status === 404) {
    return 'is the name right? Registries answer 401 or 404 for private repositories alike';
  }
  if (status === 429 && !known)
    return `the registry limits requests; more are allowed after shale login ${registry}`;
  return undefined;
}

/** `{"errors": [{"code", "message"}]}` (distribution-spec, "Error Codes"), made printable; other bodies say nothing. */
async function readErrors(
  response: HttpResponse,
): Promise<{ code: string | undefined; text: string } | undefined> {
  try {
    const bytes = await readDocument(response, { limit: documentLimit, deadline, what: 'an error' });
    const { errors } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { errors: unknown[] };
    const shown = errors.slice(0, 3).map(error => {
      const { code, message } = error as Record<string, unknown>;
      const text = (value: unknown) =>
        typeof value === 'string' && value !== '' ? showText(value) : undefined;
      return { code: text(code), message: text(message) };
    });
    const text = shown.map(({ code, message }) => [code, message].filter(Boolean).join(': ')).join('; ');
    return text === '' ? undefined : { code: shown[0]?.code, text };
  } catch {
    response.body.discard();
    return undefined;
  }
}
