import type { ShaleError } from '../../error/index.ts';
import { throwIfAborted } from '../../host/index.ts';
import type { Endpoint } from '../configuration/index.ts';
import { RegistryError } from '../error.ts';
import { type Action, type Authorization, type Guard, repositoryScope } from '../token/index.ts';
import {
  asStranger,
  backOff,
  type Content,
  type HttpResponse,
  type Method,
  readDocument,
  retry,
  type Trust,
} from '../transport/index.ts';
import { refuseEncoding } from './encoding.ts';
import { readRefusal } from './refusal.ts';
import type { Session } from './session.ts';

export interface Call {
  readonly method: Method;
  /** A path below the repository, or a URL that the registry itself has given. */
  readonly target: string | URL;
  /** Completes "cannot …". */
  readonly what: string;
  /** What a token has to allow in this repository; nothing if not given. */
  readonly actions?: readonly Action[];
  /** What else it has to allow. */
  readonly scopes?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: Content | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Document {
  readonly response: HttpResponse;
  readonly bytes: Uint8Array;
}

/** For all of a document to arrive. Milliseconds. */
const documentTime = 120_000;

/** So often one request may be refused and sent again with other credentials: anonymous, stale, too narrow. */
const rounds = 3;

/** One endpoint, as one repository of it: authentication, plain http where it is allowed, and patience. */
export class Remote {
  readonly endpoint: Endpoint;
  readonly trust: Trust;
  readonly #session: Session;
  /** Of each request. */
  readonly tries: number;
  #known = false;

  constructor(session: Session, endpoint: Endpoint, tries: number) {
    this.#session = session;
    this.endpoint = endpoint;
    this.tries = tries;
    const { ca, cert, key } = endpoint.tls;
    this.trust = { ca, cert, key, insecure: endpoint.insecure || endpoint.origin.startsWith('http:') };
  }

  /** A response with one of these statuses. Others are a RegistryError, those that may pass are repeated before. */
  request(call: Call, ...expected: readonly number[]): Promise<HttpResponse> {
    return this.#repeat(call, () => this.#expect(call, expected));
  }

  /** A response and its body, which is repeated with it. RegistryError `exhausted` above `limit` bytes. */
  document(call: Call, limit: number, ...expected: readonly number[]): Promise<Document> {
    return this.#repeat(call, async () => {
      const response = await this.#expect(call, expected);
      if (response.status === 200) refuseEncoding(response);
      const what = `what ${this.endpoint.registry} sent to ${call.what}`;
      return { response, bytes: await readDocument(response, { limit, deadline: documentTime, what }) };
    });
  }

  async #expect(call: Call, expected: readonly number[]): Promise<HttpResponse> {
    const response = await this.send(call);
    if (expected.includes(response.status)) return response;
    throw await this.refusal(call, response);
  }

  async #repeat<T>({ what, signal }: Call, work: () => Promise<T>): Promise<T> {
    const { registry } = this.endpoint;
    let attempt = 0;
    const options = { tries: this.tries, registry, what, onRetry: this.#session.onRetry, signal };
    try {
      return await retry(number => {
        attempt = number;
        return work();
      }, options);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code === 'cancelled') throw error;
      const { code, message, cause, hint } = error;
      const detail = { ...error.detail, registry, attempt };
      throw new RegistryError(code, message, { detail, cause, ...(hint === undefined ? {} : { hint }) });
    }
  }

  refusal({ method, what }: Call, response: HttpResponse): Promise<RegistryError> {
    return readRefusal({ method, what, registry: this.endpoint.registry, known: this.#known }, response);
  }

  /** Waits before what has failed is done again in another way. */
  backOff(
    error: ShaleError,
    attempt: number,
    { what, signal }: Pick<Call, 'what' | 'signal'>,
  ): Promise<void> {
    const { registry } = this.endpoint;
    return backOff(error, attempt, { registry, what, onRetry: this.#session.onRetry, signal });
  }

  /** A single try; any status is a response. */
  async send(call: Call): Promise<HttpResponse> {
    const { target } = call;
    if (target instanceof URL)
      return await this.#authorized(call, target, target.origin === originOf(this.origin));
    const origins = this.#origins();
    for (const [index, origin] of origins.entries()) {
      try {
        const response = await this.#authorized(call, this.#url(origin, target), true);
        this.#session.answering.set(this.endpoint.origin, origin);
        return response;
      } catch (error) {
        if (index + 1 === origins.length || !isUnreachable(error, origin)) throw error;
      }
    }
    throw new Error('no origin');
  }

  /** Where the last answer came from. */
  get origin(): string {
    return this.#session.answering.get(this.endpoint.origin) ?? this.endpoint.origin;
  }

  /** https first; what answered once is what it stays with. */
  #origins(): string[] {
    const { origin } = this.endpoint;
    const known = this.#session.answering.get(origin);
    if (known !== undefined) return [known];
    return origin.startsWith('https:') && this.trust.insecure
      ? [origin, origin.replace('https:', 'http:')]
      : [origin];
  }

  #url(origin: string, path: string): URL {
    const { prefix, repository, namespace } = this.endpoint;
    const url = new URL(
      `${origin}${prefix}/${path.startsWith('/') ? path.slice(1) : `${repository}/${path}`}`,
    );
    if (namespace !== undefined) url.searchParams.set('ns', namespace);
    return url;
  }

  async #authorized(call: Call, url: URL, own: boolean): Promise<HttpResponse> {
    const { authorizer } = this.#session;
    const { method, content, signal } = call;
    const scopes = this.#scopes(call);
    const headers = { 'user-agent': 'shale', 'accept-encoding': 'identity', ...call.headers };
    const request = { method, url, headers, content, trust: this.trust, signal };
    if (!own) return { ...(await this.#session.send(asStranger(request))), own: false };
    const guard: Guard = {
      registry: this.endpoint.registry,
      origin: url.origin,
      trust: this.trust,
      findCredential: () => this.#session.findCredential(this.endpoint),
    };
    let authorization = await unlessAborted(authorizer.begin(guard, scopes), signal);
    for (let round = 0; ; round++) {
      const response = await this.#session.send({ ...request, ownHeaders: this.#ownHeaders(authorization) });
      this.#known = authorization?.known ?? false;
      if (round === rounds || !isRefusal(response)) return response;
      let next: Authorization | undefined;
      try {
        next = await unlessAborted(authorizer.answer(guard, response, scopes, authorization), signal);
      } catch (error) {
        response.body.discard();
        throw error;
      }
      if (next === undefined) return response;
      response.body.discard();
      authorization = next;
    }
  }

  #scopes({ actions = [], scopes = [] }: Call): string[] {
    return actions.length === 0
      ? [...scopes]
      : [repositoryScope(this.endpoint.repository, ...actions), ...scopes];
  }

  #ownHeaders(authorization: Authorization | undefined): Record<string, string> {
    const configured = Object.entries(this.endpoint.headers).map(([name, value]) => [
      name.toLowerCase(),
      value,
    ]);
    return {
      ...Object.fromEntries(configured),
      ...(authorization && { authorization: authorization.header }),
    };
  }
}

/** What a redirect's target says of credentials does not count. */
function isRefusal({ own, status, headers }: HttpResponse): boolean {
  if (!own) return false;
  return status === 401 || (status === 403 && /insufficient_scope/.test(String(headers['www-authenticate'])));
}

/** Whether no answer came from the server itself, as opposed to one that it sent us to. */
function isUnreachable(error: unknown, origin: string): boolean {
  if (!(error instanceof RegistryError) || error.code !== 'unavailable') return false;
  return error.detail.reason !== undefined && String(error.detail.url).startsWith(`${originOf(origin)}/`);
}

/** As URLs have it: in lower case, without the port that goes without saying. */
function originOf(origin: string): string {
  return new URL(origin).origin;
}

/** Tokens are fetched for all who wait for them, so no single one's signal ends the fetch. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  throwIfAborted(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const onAbort = () => {
    try {
      throwIfAborted(signal);
    } catch (error) {
      reject(error);
    }
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
