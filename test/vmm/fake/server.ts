import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { Script } from './script.ts';

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Called when the answer has gone out. */
  readonly sent?: () => void;
}

/** Where the requests are noted, a line of JSON each, in the working directory. */
export const journal = 'requests.jsonl';

export function note(entry: object): void {
  appendFileSync(journal, `${JSON.stringify(entry)}\n`);
}

/**
 * Serves an API on a unix socket as micro_http does, the server in both hypervisors: bodies come with a length, chunks
 * are unknown, and an empty body is none.
 */
export function serve(
  socket: string,
  script: Script,
  handle: (method: string, path: string, body: Buffer | undefined) => Answer,
): void {
  if (script.mute) {
    setInterval(() => {}, 1000);
    return;
  }
  const server = createServer(async (request, response) => {
    const { method = '', url = '' } = request;
    const body = await read(request);
    const name = `${method} ${url}`;
    note({ method, path: url, ...(body ? { body: parse(body) } : {}) });
    if (script.hang?.includes(name)) return;
    const death = script.dieAt?.[name];
    if (death !== undefined) {
      process.stderr.write(`${death}\n`);
      process.exit(1);
    }
    const refusal = script.refuse?.[name];
    const chunked = request.headers['transfer-encoding'] !== undefined;
    const answer = chunked
      ? { status: 400, body: 'chunked' }
      : refusal
        ? undefined
        : handle(method, url, body);
    const text =
      answer === undefined ? refusal![1] : answer.body === undefined ? '' : JSON.stringify(answer.body);
    note({ status: answer?.status ?? refusal![0], ...(text ? { answer: text } : {}) });
    response.writeHead(answer?.status ?? refusal![0], {
      Server: 'a fake',
      ...(text === ''
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
    });
    response.end(text, answer?.sent);
  });
  server.listen(socket);
}

async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return body.length === 0 ? undefined : body;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}
