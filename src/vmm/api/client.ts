import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../error/index.ts';
import { checkAbort, VmmError } from '../error.ts';
import { connectSocket } from '../socket-channel.ts';

export interface ApiClientOptions {
  /** The hypervisor's name, for messages. */
  readonly name: string;
  /** The machine's directory, and the name of the API's socket in it. */
  readonly directory: string;
  readonly socket: string;
  /** What a body says that came with an error. */
  readonly fault: (body: string) => string;
  /** Resolves when the hypervisor is gone. */
  readonly ended?: Promise<unknown> | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the answer may take, in milliseconds; 10 000 if not given. */
  readonly timeout?: number;
}

export type Method = 'GET' | 'PUT' | 'PATCH';

/** Answers are small; one that is not is no answer of such an API. */
const mostAnswer = 1024 * 1024;
const mostFault = 2000;

/** HTTP/1.1 over a unix socket, one connection for each call: what these servers speak, and no more. */
export class ApiClient {
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  /**
   * The answer as JSON; `undefined` if it has no body. A body is sent whole, with its length: the servers know no
   * chunks. VmmError with what was asked and the reason that the hypervisor gives if it refuses; `unavailable` if it
   * hangs up, ends or does not answer in time.
   */
  async call(method: Method, path: string, body?: object, options: CallOptions = {}): Promise<unknown> {
    const { directory, socket, ended, name } = this.#options;
    const { signal, timeout = 10_000 } = options;
    const asked = `${method} ${path}`;
    const connection = await connectSocket(directory, socket, { signal, timeout, ended });
    const limit = AbortSignal.timeout(timeout);
    try {
      const answer = await exchange(connection, method, path, body, anyOf(signal, limit));
      if (answer.status >= 300) throw this.#refusal(asked, answer);
      return answer.text === '' ? undefined : JSON.parse(answer.text);
    } catch (error) {
      if (error instanceof VmmError) throw error;
      checkAbort(signal);
      const why = limit.aborted
        ? `did not answer ${asked} within ${timeout / 1000} s`
        : `hung up on ${asked}`;
      throw new VmmError('unavailable', `${name} ${why}`, { cause: error, detail: { method, path } });
    } finally {
      connection.destroy();
    }
  }

  #refusal(asked: string, { status, text }: Answer): VmmError {
    const { name, fault } = this.#options;
    const reason = fault(text).trim().slice(0, mostFault);
    return new VmmError(codeOf(reason), `${name} refused ${asked}${reason && `: ${reason}`}`, {
      detail: { asked, status, fault: reason },
    });
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function exchange(
  socket: Socket,
  method: Method,
  path: string,
  body: object | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const payload = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
  const headers = {
    Host: 'localhost',
    Accept: 'application/json',
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(method === 'GET' ? {} : { 'Content-Length': payload.length }),
  };
  return new Promise((resolve, reject) => {
    const createConnection = () => socket;
    const request = httpRequest({ method, path, headers, createConnection, signal }, response => {
      readText(response).then(text => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    request.on('error', reject);
    request.end(payload.length === 0 ? undefined : payload);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostAnswer) throw new VmmError('exhausted', `an answer of more than ${mostAnswer} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function anyOf(signal: AbortSignal | undefined, limit: AbortSignal): AbortSignal {
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}

/** Both hypervisors show errors of the system as Rust does, `… (os error 13)`. */
const codes: Readonly<Record<string, ErrorCode>> = {
  1: 'denied',
  2: 'not-found',
  12: 'exhausted',
  13: 'denied',
  24: 'exhausted',
  28: 'exhausted',
};

function codeOf(reason: string): ErrorCode {
  return codes[/\(os error (\d+)\)/.exec(reason)?.[1] ?? ''] ?? 'unavailable';
}
