/**
 * A registry within the test's own process, which does what the distribution specification says until a test tells it
 * to misbehave: `registry.on({ path: '/blobs/' }, { resetAfter: 1000 })`. It keeps a record of every request.
 */
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Files } from '../archive/fixture.ts';
import { Contents, type PutImage } from './contents.ts';
import { type Fault, type Match, Rule, sendBody } from './fault.ts';
import { listen, readBody } from './listen.ts';
import { type Answer, type Call, Protocol } from './protocol.ts';
import type { TokenServer } from './token.ts';

export type { PutImage } from './contents.ts';
export { type Fault, Gate, type Match, type Rule } from './fault.ts';
export { startTokenServer, type TokenRequest, type TokenServer } from './token.ts';

export interface FakeRegistryOptions {
  /** Serves https with this certificate; `clientCa` demands one of the client that this CA signed. All PEM. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string } | undefined;
  readonly auth?:
    | { readonly kind: 'basic'; readonly username: string; readonly password: string }
    | { readonly kind: 'bearer'; readonly server: TokenServer; readonly service?: string }
    | undefined;
  /** Whether there is a referrers API; true if not given. */
  readonly referrers?: boolean | undefined;
  /** Whether blobs can be had in ranges; true if not given. */
  readonly ranges?: boolean | undefined;
  /** Whether POST with `mount` mounts; true if not given. */
  readonly mounts?: boolean | undefined;
  /** Tags and referrers in one answer at most; the rest is behind `Link`. 100 if not given. */
  readonly pageSize?: number | undefined;
  /** Whether `Location` of uploads has scheme and host; false if not given. */
  readonly absoluteLocations?: boolean | undefined;
  /** Said as OCI-Chunk-Min-Length, and smaller chunks are refused. */
  readonly minimumChunk?: number | undefined;
  /** Called before every answer: what a test cannot say with rules. */
  readonly onRequest?: ((request: RequestRecord) => void | Promise<void>) | undefined;
}

/** One request as it came. */
export interface RequestRecord {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Of the answer; 0 until there is one, or when there never was. */
  status: number;
  /** Bytes of body that were written, and of the request's that were read. */
  sent: number;
  received: number;
}

export interface FakeRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as in a reference. */
  readonly host: string;
  readonly origin: string;
  readonly contents: Contents;
  readonly requests: readonly RequestRecord[];
  /** Answered at exactly these paths, with ranges, to anyone: the storage that a registry redirects to. */
  readonly files: Map<string, Buffer>;
  /** Puts an image in place; `repository[:tag]`. */
  put(name: string, files: Files): PutImage;
  /** A fault for requests that match. Of several that match, the first strikes. */
  on(match: Match, fault: Fault): Rule;
  /** All faults end. */
  heal(): void;
  /** The requests for which that holds. */
  find(match: Pick<Match, 'method' | 'path'>): readonly RequestRecord[];
  /** Bytes of the blob that were sent in all, whichever way. */
  sentOf(digest: string): number;
  /** Empties the record. */
  forget(): void;
}

export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const contents = new Contents();
  const protocol = new Protocol(contents, options);
  const files = new Map<string, Buffer>();
  const requests: RequestRecord[] = [];
  let rules: Rule[] = [];

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://registry');
    const { method = '', headers } = request;
    const path = decodeURIComponent(url.pathname);
    const record: RequestRecord = {
      ...{ method, path, query: url.searchParams, headers },
      ...{ status: 0, sent: 0, received: 0 },
    };
    requests.push(record);
    const fault = strike(method, path);
    await options.onRequest?.(record);
    if (fault.gate && (fault.gateAfter ?? -1) < 0) await fault.gate.pass();
    if (fault.silentAfter === -1) return;
    if (fault.resetAfter === -1) {
      response.socket?.resetAndDestroy();
      return;
    }
    if (fault.resetRequestAfter !== undefined) {
      const part = await readPart(request, fault.resetRequestAfter);
      record.received = part.length;
      protocol.keepPart(path, part);
      response.socket?.resetAndDestroy();
      return;
    }
    const body = await readBody(request);
    record.received = body.length;
    const call: Call = { method, path, query: url.searchParams, headers, body, origin: listening.origin };
    const file = files.get(path);
    const answer = bend(
      fault.status !== undefined || fault.redirect !== undefined
        ? { status: 200 }
        : file
          ? protocol.answerRange(withoutRange(call, fault), file, 'application/octet-stream')
          : protocol.answer(withoutRange(call, fault)),
      fault,
    );
    record.status = answer.status;
    const sent = answer.body ?? Buffer.alloc(0);
    const answerHeaders = Object.entries({
      'content-length': fault.unsized ? undefined : String(sent.length),
      ...answer.headers,
      ...fault.headers,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    response.writeHead(answer.status, Object.fromEntries(answerHeaders));
    if (method === 'HEAD') response.end();
    else await sendBody(response, sent, fault, bytes => (record.sent += bytes));
  };

  const strike = (method: string, path: string): Fault => {
    for (const rule of rules) {
      const fault = rule.strike(method, path);
      if (fault) return fault;
    }
    return {};
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    response.on('error', () => {});
    serve(request, response).catch(() => response.destroy());
  };
  const { tls } = options;
  const server = tls
    ? createSecureServer(
        { ...tls, ...(tls.clientCa && { requestCert: true, rejectUnauthorized: true, ca: tls.clientCa }) },
        onRequest,
      )
    : createPlainServer(onRequest);
  // A test decides how long an answer takes.
  server.requestTimeout = 0;
  const listening = await listen(server, tls ? 'https' : 'http');

  const find = ({ method, path }: Pick<Match, 'method' | 'path'>) =>
    requests.filter(record => new Rule({ method, path }, {}).strike(record.method, record.path));
  return {
    host: listening.host,
    origin: listening.origin,
    contents,
    requests,
    files,
    put: (name, layout) => {
      const [, repository = name, tag] = /^(.*?)(?::([^/:]+))?$/.exec(name) ?? [];
      return contents.putLayout(repository, layout, tag);
    },
    on: (match, fault) => {
      const rule = new Rule(match, fault);
      rules.push(rule);
      return rule;
    },
    heal: () => {
      rules = [];
    },
    find,
    sentOf: digest =>
      find({ method: 'GET', path: `/blobs/${digest}` })
        .filter(({ status }) => status < 300)
        .reduce((sum, { sent }) => sum + sent, 0),
    forget: () => {
      requests.length = 0;
    },
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

function withoutRange(call: Call, fault: Fault): Call {
  return fault.ignoreRange ? { ...call, headers: { ...call.headers, range: undefined } } : call;
}

function bend(answer: Answer, fault: Fault): Answer {
  if (fault.redirect !== undefined)
    return { status: fault.status ?? 307, headers: { location: fault.redirect } };
  const status = fault.status ?? answer.status;
  let body = fault.body === undefined ? (answer.body ?? Buffer.alloc(0)) : asBuffer(fault.body);
  if (fault.transform) body = fault.transform(body);
  if (fault.corruptAt !== undefined && fault.corruptAt < body.length) {
    body = Buffer.from(body);
    body[fault.corruptAt] = 255 - (body[fault.corruptAt] ?? 0);
  }
  return { status, body, headers: answer.headers };
}

function asBuffer(body: string | object | Uint8Array): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

async function readPart(request: IncomingMessage, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= length) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}
