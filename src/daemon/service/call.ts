import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import type { Log } from '../log.ts';
import type { RequestMetrics } from '../metrics/requests.ts';
import { asShaleError, describe, grpcStatus } from '../status.ts';

/** What a handler knows of its call beside the request. */
export interface CallContext {
  /** containerd's namespace; `undefined` if the caller has named none. */
  readonly namespace: string | undefined;
  readonly lease: string | undefined;
  /** Aborted when the caller gives up, is gone, or has no more time, and when the daemon stops. */
  readonly signal: AbortSignal;
}

export type Unary<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;
export type Stream<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>;

/** Makes gRPC handlers of plain functions: each call is counted, timed and logged, and errors become statuses. */
export class Calls {
  readonly #log: Log;
  readonly #metrics: RequestMetrics;

  constructor(log: Log, metrics: RequestMetrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  unary<Request, Response>(
    method: string,
    handle: Unary<Request, Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, reply) => {
      void this.#watch(method, call, context => handle(call.request, context)).then(
        response => reply(null, response),
        (status: StatusError) => reply(status),
      );
    };
  }

  stream<Request, Response>(
    method: string,
    handle: Stream<Request, Response>,
  ): handleServerStreamingCall<Request, Response> {
    return call => {
      void this.#watch(method, call, async context => {
        for await (const response of handle(call.request, context)) {
          if (call.cancelled) return;
          if (!call.write(response)) await drained(call, context.signal);
        }
      }).then(
        () => call.end(),
        (status: StatusError) => call.emit('error', status),
      );
    };
  }

  async #watch<Request, Response, Result>(
    method: string,
    call: ServerUnaryCall<Request, Response> | ServerWritableStream<Request, Response>,
    work: (context: CallContext) => Promise<Result>,
  ): Promise<Result> {
    const controller = new AbortController();
    call.on('cancelled', () => controller.abort());
    const namespace = readHeader(call.metadata, 'containerd-namespace');
    const lease = readHeader(call.metadata, 'containerd-lease');
    const finish = this.#metrics.begin(method);
    try {
      const result = await work({ namespace, lease, signal: controller.signal });
      const seconds = finish('OK');
      this.#log({ level: 'debug', message: 'served', fields: { method, namespace, seconds } });
      return result;
    } catch (thrown) {
      const error = asShaleError(thrown);
      const { name: status, number } = grpcStatus[error.code];
      const seconds = finish(status);
      const failed = ['internal', 'unavailable', 'corrupt', 'exhausted'].includes(error.code);
      const origin = error.cause instanceof Error ? error.cause : error;
      const stack = error.code === 'internal' ? origin.stack : undefined;
      this.#log({
        level: failed ? 'error' : 'debug',
        message: error.message,
        fields: { method, namespace, status, seconds, hint: error.hint, stack },
      });
      throw new StatusError(number, describe(error));
    }
  }
}

/** In the shape in which gRPC takes a failure. */
class StatusError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

function readHeader(metadata: Metadata, name: string): string | undefined {
  const value = metadata.get(name)[0];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Resolves when the stream takes more, or nobody listens to it any longer. */
function drained(call: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
