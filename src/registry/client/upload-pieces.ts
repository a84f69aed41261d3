import type { ShaleError } from '../../error/index.ts';
import { RegistryError } from '../error.ts';
import { type Content, findHeader, type HttpResponse, isRetryable } from '../transport/index.ts';
import { readLocation } from './location.ts';
import type { Call, Remote } from './remote.ts';

/** Uploads in pieces; after a broken one the registry is asked how much it has (distribution-spec, "Pushing a blob in chunks"). */
export class UploadPieces {
  readonly #remote: Remote;
  readonly #call: (method: Call['method'], target: URL) => Call;
  readonly #size: number;
  readonly #content: (start: number, end: number) => Content;

  constructor(
    remote: Remote,
    call: (method: Call['method'], target: URL) => Call,
    size: number,
    content: (start: number, end: number) => Content,
  ) {
    this.#remote = remote;
    this.#call = call;
    this.#size = size;
    this.#content = content;
  }

  /**
   * Sends what can be sent in pieces of `chunkBytes`, and returns how much that was: a rest below the registry's `minimum` is
   * for the request that closes the upload. `moved` is told where the upload is, whenever that changes.
   */
  async send(
    location: URL,
    { chunkBytes, minimum }: { readonly chunkBytes: number; readonly minimum: number },
    moved: (location: URL) => void,
  ): Promise<number> {
    let at = location;
    let position = 0;
    let failures = 0;
    const go = (response: HttpResponse) => {
      at = readLocation(response, this.#remote);
      moved(at);
    };
    while (position < this.#size && this.#size - position >= minimum) {
      const end = Math.min(position + chunkBytes, this.#size);
      try {
        const response = await this.#piece(at, position, end);
        const told = readPosition(response) ?? end;
        // Less than was sent is possible, less than there was is not.
        position = told > position && told < end ? told : end;
        go(response);
        failures = 0;
      } catch (error) {
        failures++;
        if (!isRetryable(error) || failures >= this.#remote.tries) throw error;
        const before = position;
        await this.#remote.backOff(error as ShaleError, failures, this.#call('GET', at));
        const status = await this.#status(at);
        if (status === undefined) throw error;
        position = readPosition(status) ?? 0;
        if (findHeader(status, 'location') !== undefined) go(status);
        if (position > before) failures = 0;
      }
      if (position > this.#size) {
        throw new RegistryError('corrupt', `the registry says it has ${position} of ${this.#size} bytes`);
      }
    }
    return position;
  }

  async #piece(at: URL, start: number, end: number): Promise<HttpResponse> {
    const headers = { 'content-type': 'application/octet-stream', 'content-range': `${start}-${end - 1}` };
    const call = { ...this.#call('PATCH', at), headers, content: this.#content(start, end) };
    const response = await this.#remote.send(call);
    if (response.status === 202 || response.status === 204) {
      response.body.discard();
      return response;
    }
    const error = await this.#remote.refusal(call, response);
    if (response.status !== 416) throw error;
    // The registry has something else than we believe: it will say what.
    throw new RegistryError('unavailable', error.message, { detail: { ...error.detail, retryable: true } });
  }

  /** How far the upload is; `undefined` if the registry has forgotten it. */
  async #status(at: URL): Promise<HttpResponse | undefined> {
    const response = await this.#remote.request(this.#call('GET', at), 200, 204, 404, 405);
    response.body.discard();
    return response.status < 300 ? response : undefined;
  }
}

/** `Range: 0-99` says that 100 bytes are there; `0-0` is what some registries say when there is nothing. */
function readPosition(response: HttpResponse): number | undefined {
  const range = /^(?:bytes=)?0-(\d{1,15})$/.exec(findHeader(response, 'range')?.trim() ?? '');
  if (range === null) return undefined;
  return Number(range[1]) === 0 ? 0 : Number(range[1]) + 1;
}
