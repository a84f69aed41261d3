import { credentials, type Client as GrpcClient, Metadata } from '@grpc/grpc-js';
import { DaemonError } from '../error.ts';
import { readStatus } from '../status.ts';
import { loadClient, type ServiceName } from '../wire/protocol.ts';

/** Whose namespace and lease containerd is to go by. */
export interface Account {
  readonly namespace: string;
  readonly lease?: string | undefined;
}

export interface CallOptions extends Account {
  readonly signal?: AbortSignal | undefined;
}

/** A stream of answers, which also takes what is said where the method has both. */
export interface Conversation extends AsyncIterable<unknown> {
  write(message: object): boolean;
  end(): void;
  cancel(): void;
}

type Method = (...parameters: unknown[]) => Conversation;

/** Calls of one of containerd's own services. DaemonErrors with the code that its status stands for. */
export class Connection implements Disposable {
  readonly #client: GrpcClient;
  readonly #address: string;

  /** `address` is the path of a unix socket. Connects when it is first used, and again whenever it has to. */
  constructor(service: ServiceName, address: string) {
    this.#address = address;
    this.#client = new (loadClient(service))(`unix:${address}`, credentials.createInsecure(), {
      // containerd may be started again: that is waited for by who calls, not here.
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
    });
  }

  unary<Response>(method: string, request: object, options: CallOptions): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const answer = (error: unknown, response: Response) => (error ? reject(error) : resolve(response));
    const call = this.#method(method)(request, this.#metadata(options), answer);
    return this.#attend(call, options, () => promise, method);
  }

  /** Answers, each read when it is asked for. Whoever stops early cancels the call. */
  async *stream<Response>(
    method: string,
    request: object,
    options: CallOptions,
  ): AsyncGenerator<Response, void, undefined> {
    const call = this.#method(method)(request, this.#metadata(options));
    const abort = () => call.cancel();
    options.signal?.addEventListener('abort', abort);
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw this.#explain(error, options, method);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      call.cancel();
    }
  }

  /** A call in which both sides say as much as they like; `talk` is given the other side's words. */
  converse<Result>(
    method: string,
    options: CallOptions,
    talk: (conversation: Conversation) => Promise<Result>,
  ): Promise<Result> {
    const call = this.#method(method)(this.#metadata(options));
    return this.#attend(call, options, () => talk(call), method);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #attend<Result>(
    call: { cancel(): void },
    options: CallOptions,
    work: () => Promise<Result>,
    method: string,
  ): Promise<Result> {
    const abort = () => call.cancel();
    options.signal?.addEventListener('abort', abort);
    if (options.signal?.aborted) abort();
    try {
      return await work();
    } catch (error) {
      throw this.#explain(error, options, method);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      call.cancel();
    }
  }

  #explain(error: unknown, { signal }: CallOptions, method: string): unknown {
    if (signal?.aborted) return new DaemonError('cancelled', 'the caller has gone', { cause: error });
    return readStatus(error, `containerd at ${this.#address}, ${method}`);
  }

  #metadata({ namespace, lease }: Account): Metadata {
    const metadata = new Metadata();
    metadata.set('containerd-namespace', namespace);
    if (lease !== undefined) metadata.set('containerd-lease', lease);
    return metadata;
  }

  #method(name: string): Method {
    return ((this.#client as unknown as Record<string, Method>)[name] as Method).bind(this.#client);
  }
}
