import type { Dispatcher } from 'undici';
import type { Bytes } from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import { throwIfAborted } from '../../host/index.ts';
import { RegistryError } from '../error.ts';
import { type Flow, ResponseBody } from './body.ts';
import type { Connections } from './connections.ts';
import { networkError, wrapNetworkError } from './failure.ts';
import type { HttpRequest, HttpResponse, Timeouts } from './message.ts';

/**
 * One request and its response, whatever its status is: no redirect is followed, nothing repeated. Fails with a
 * RegistryError `unavailable` whose detail has a `reason`, or `cancelled`.
 */
export async function exchange(
  connections: Connections,
  request: HttpRequest,
  timeouts: Timeouts,
): Promise<HttpResponse> {
  throwIfAborted(request.signal);
  const dispatcher = await connections.find(request.url, request.trust);
  throwIfAborted(request.signal);
  const handler = new Handler(request, timeouts);
  const { content } = request;
  const headers = { ...request.headers, ...request.ownHeaders };
  if (content !== undefined) headers['content-length'] = String(content.size);
  dispatcher.dispatch(
    {
      origin: request.url.origin,
      path: request.url.pathname + request.url.search,
      method: request.method,
      headers,
      // An empty body is none: undici would send it chunked.
      body: content === undefined || content.size === 0 ? null : (handler.watch(content.open()) as never),
      // undici would close the connection, lest a server send a body all the same. One that does breaks its next response.
      ...(request.method === 'HEAD' ? { reset: false } : {}),
      // Both are timed here: undici's do not know a slow upload from one that hangs.
      headersTimeout: 0,
      bodyTimeout: 0,
    },
    handler,
  );
  return handler.response;
}

class Handler implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #timeouts: Timeouts;
  readonly #response = Promise.withResolvers<HttpResponse>();
  readonly #onAbort = () => this.#cancel();
  #controller: Dispatcher.DispatchController | undefined;
  #body: ResponseBody | undefined;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(request: HttpRequest, timeouts: Timeouts) {
    this.#request = request;
    this.#timeouts = timeouts;
    request.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get response(): Promise<HttpResponse> {
    return this.#response.promise;
  }

  /** The content of the request; the time that its source takes is not the server's. */
  async *watch(content: Bytes): Bytes {
    for await (const chunk of content) {
      this.#wait();
      yield chunk;
      clearTimeout(this.#timer);
    }
    this.#wait();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure) controller.abort(this.#failure);
    else if (!this.#request.content?.size) this.#wait();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpResponse['headers'],
  ): void {
    if (status < 200) return;
    clearTimeout(this.#timer);
    const { url } = this.#request;
    this.#body = this.#createBody(controller);
    this.#response.resolve({ status, headers, url, own: true, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#settle();
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle();
    const failure = this.#failure ?? wrapNetworkError(this.#request, error, this.#timeouts.connect);
    this.#body?.fail(failure);
    this.#response.reject(failure);
  }

  #createBody(flow: Flow): ResponseBody {
    const { stall } = this.#timeouts;
    return new ResponseBody(flow, {
      stall,
      failStall: () => networkError(this.#request, 'stall', `the body stalled for ${stall / 1000} s`),
      failShort: (received, expected) =>
        networkError(this.#request, 'broken', `the body ended after ${received} of ${expected} bytes`),
      failLong: expected =>
        new RegistryError(
          'corrupt',
          `${this.#request.url.host} sent more than the ${expected} bytes that were asked for`,
          {
            detail: { ...networkError(this.#request, 'protocol', '').detail, retryable: false, expected },
          },
        ),
    });
  }

  #wait(): void {
    clearTimeout(this.#timer);
    if (this.#body || this.#failure) return;
    const { firstByte } = this.#timeouts;
    this.#timer = setTimeout(() => {
      this.#fail(networkError(this.#request, 'first-byte', `no answer within ${firstByte / 1000} s`));
    }, firstByte);
  }

  #cancel(): void {
    const { reason } = this.#request.signal!;
    this.#fail(
      reason instanceof ShaleError ? reason : new RegistryError('cancelled', 'cancelled', { cause: reason }),
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#settle();
    this.#body?.fail(error);
    this.#response.reject(error);
    this.#controller?.abort(error);
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
  }
}
