import type { Bytes } from '../../content/index.ts';
import type { ShaleError } from '../../error/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { RegistryError } from '../error.ts';
import { repositoryScope } from '../token/index.ts';
import { type Content, findHeader, type HttpResponse, isRetryable } from '../transport/index.ts';
import { blobCall } from './blob.ts';
import { itself } from './failover.ts';
import { readLocation, withDigest } from './location.ts';
import type { CallOptions, RepositoryName } from './options.ts';
import type { Call, Remote } from './remote.ts';
import type { Session } from './session.ts';
import { UploadPieces } from './upload-pieces.ts';

export interface PushBlobOptions extends CallOptions {
  /** A repository of the same registry that may have the blob already. */
  readonly from?: string | undefined;
  /** In one request, which is what every registry understands, or in pieces that can be resumed. */
  readonly mode?: 'monolithic' | 'chunked' | undefined;
  /** Of one piece; 16 MiB if not given, more if the registry asks for it. */
  readonly chunkBytes?: number | undefined;
  /** Told the bytes that were sent; less than before after a new start. */
  readonly onProgress?: ((sent: number) => void) | undefined;
}

const actions = ['pull', 'push'] as const;
/** Says Content-Length: 0, which some servers demand of a POST. */
const nothing: Content = { size: 0, async *open() {} };

/** Of a clean-up after a failure. Milliseconds. */
const cancelTime = 5000;

/**
 * Puts a blob into a repository, unless it is there. `open` gives the content from an offset on, anew each time that it is
 * called; the registry checks the digest. An upload that fails is cancelled.
 */
export async function pushBlob(
  session: Session,
  { registry, repository }: RepositoryName,
  descriptor: Descriptor,
  open: (offset: number) => Bytes,
  options: PushBlobOptions = {},
): Promise<'pushed' | 'mounted' | 'exists'> {
  const { digest } = descriptor;
  const remote = await itself(session, { registry, repository, digest }, 'push');
  const what = `push the blob ${digest} to ${repository}`;
  const upload = new Upload(remote, what, descriptor, open, options);
  for (let attempt = 1; ; attempt++) {
    const head = await remote.request(
      { ...blobCall('HEAD', repository, digest, options), actions },
      200,
      404,
    );
    head.body.discard();
    // After the first attempt it is there because its answer was lost.
    if (head.status === 200) return attempt === 1 ? 'exists' : 'pushed';
    try {
      return await upload.run(attempt === 1 ? options.from : undefined);
    } catch (error) {
      const begun = await upload.cancel();
      if (!begun || !isRetryable(error) || attempt >= session.tries || options.signal?.aborted) throw error;
      await remote.backOff(error as ShaleError, attempt, { what, signal: options.signal });
    }
  }
}

/** One attempt to upload, from POST to PUT. */
class Upload {
  readonly #remote: Remote;
  readonly #what: string;
  readonly #descriptor: Descriptor;
  readonly #open: (offset: number) => Bytes;
  readonly #options: PushBlobOptions;
  #location: URL | undefined;

  constructor(
    remote: Remote,
    what: string,
    descriptor: Descriptor,
    open: (offset: number) => Bytes,
    options: PushBlobOptions,
  ) {
    this.#remote = remote;
    this.#what = what;
    this.#descriptor = descriptor;
    this.#open = open;
    this.#options = options;
  }

  async run(from: string | undefined): Promise<'pushed' | 'mounted'> {
    const { digest, size } = this.#descriptor;
    const started = await this.#start(from);
    if (started.status === 201) return 'mounted';
    this.#location = readLocation(started, this.#remote);
    let sent = 0;
    if (this.#options.mode === 'chunked') {
      const minimum = Number(findHeader(started, 'oci-chunk-min-length') ?? 0) || 0;
      const chunkBytes = Math.max(this.#options.chunkBytes ?? 16 * 1024 * 1024, minimum, 1);
      const pieces = new UploadPieces(this.#remote, this.#call.bind(this), size, this.#content.bind(this));
      sent = await pieces.send(this.#location, { chunkBytes, minimum }, location => {
        this.#location = location;
      });
    }
    await this.#finish(withDigest(this.#location, digest), sent);
    this.#location = undefined;
    return 'pushed';
  }

  /** Tells the registry that nothing more will come, whether it listens or not. False if no upload had begun. */
  async cancel(): Promise<boolean> {
    const location = this.#location;
    this.#location = undefined;
    if (location === undefined) return false;
    const call: Call = { method: 'DELETE', target: location, what: 'cancel an upload', actions };
    try {
      (await this.#remote.send({ ...call, signal: AbortSignal.timeout(cancelTime) })).body.discard();
    } catch {
      // The registry throws away what is unfinished after a while.
    }
    return true;
  }

  async #start(from: string | undefined): Promise<HttpResponse> {
    const query =
      from === undefined ? '' : `?${new URLSearchParams({ mount: this.#descriptor.digest, from })}`;
    const scopes = from === undefined ? [] : [repositoryScope(from, 'pull')];
    const call = { ...this.#call('POST', `blobs/uploads/${query}`), scopes };
    const expected = from === undefined ? [202] : [201, 202, 401, 403, 404, 405];
    try {
      const response = await this.#remote.request({ ...call, content: nothing }, ...expected);
      response.body.discard();
      if (response.status < 400) return response;
    } catch (error) {
      // A token server may refuse everything because of one scope.
      if (from === undefined || !(error instanceof RegistryError) || error.code !== 'unauthenticated')
        throw error;
    }
    // Who may not read the other repository can still upload.
    return await this.#start(undefined);
  }

  /** Sends the rest, which may be everything or nothing, and closes the upload. */
  async #finish(target: URL, start: number): Promise<void> {
    const { size } = this.#descriptor;
    const content = this.#content(start, size);
    const headers = {
      ...(start === size ? {} : { 'content-type': 'application/octet-stream' }),
      ...(start > 0 && start < size ? { 'content-range': `${start}-${size - 1}` } : {}),
    };
    // Sent once: an upload that took it is gone by the second time. `pushBlob` begins anew instead.
    const call = { ...this.#call('PUT', target), headers, content };
    const response = await this.#remote.send(call);
    if (response.status === 201 || response.status === 204) return response.body.discard();
    throw await this.#remote.refusal(call, response);
  }

  #call(method: Call['method'], target: string | URL): Call {
    return { method, target, what: this.#what, actions, signal: this.#options.signal };
  }

  #content(start: number, end: number): Content {
    const { onProgress } = this.#options;
    const open = this.#open;
    return {
      size: end - start,
      async *open() {
        let position = start;
        for await (const chunk of open(start)) {
          const part = chunk.length > end - position ? chunk.subarray(0, end - position) : chunk;
          if (part.length > 0) yield part;
          position += part.length;
          onProgress?.(position);
          if (position === end) return;
        }
        throw new RegistryError('corrupt', `the content to push ends ${end - position} bytes too early`);
      },
    };
  }
}
