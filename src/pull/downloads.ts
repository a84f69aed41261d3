import { setTimeout } from 'node:timers/promises';
import { type BlobLocation, DigestVerifier, readLocation } from '../content/index.ts';
import { ShaleError } from '../error/index.ts';
import { throwIfAborted } from '../host/index.ts';
import type { Descriptor, Digest } from '../oci/index.ts';
import type { RegistryClient, RepositoryName } from '../registry/index.ts';
import type { Ingest, Store } from '../store/index.ts';
import { PullError } from './error.ts';
import { IncomingBlob, type Segment } from './incoming-blob.ts';

export interface DownloadsOptions {
  /** Called when the first blob has to be fetched. */
  readonly connect: () => Promise<RegistryClient>;
  readonly store: Store;
  /** Requests at the same time, over all blobs. */
  readonly connections?: number | undefined;
  /** What one request asks for at most, in bytes: 32 MiB if not given. */
  readonly segmentBytes?: number | undefined;
  /** How often in a row a connection may break off without a byte having come. */
  readonly retries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((event: BrokenOff) => void) | undefined;
  /** Bytes of the blob that are there. */
  readonly onProgress?: ((digest: Digest, received: number) => void) | undefined;
}

/** A connection broke off in the middle of a blob; `delay` milliseconds later it is made again. */
export interface BrokenOff {
  readonly registry: string;
  readonly what: string;
  readonly attempt: number;
  readonly delay: number;
  readonly reason: string;
}

const defaultConnections = 6;
const defaultRetries = 5;
/** Milliseconds. */
const firstDelay = 250;
const longestDelay = 15_000;
const watchInterval = 1000;

/** One blob that was asked for. */
interface Download {
  readonly name: RepositoryName;
  readonly descriptor: Descriptor;
  readonly location: Promise<BlobLocation>;
  /** Undefined while another process may be fetching it, and where it was there already. */
  ingest?: Ingest;
  blob?: IncomingBlob;
  /** Bytes that this process has fetched. */
  fetched: number;
  resumed: boolean;
  /** Of whoever has sent a part of it (`BlobResponse`). */
  readonly distrust: (() => boolean)[];
  verifying?: Promise<void>;
  settling?: Promise<void>;
}

/**
 * Fetches blobs into the store: those asked for first come first, each over as many connections as are free, so the
 * whole bandwidth goes to the layer that is read next. Blobs are cut into ranges where the server can; what breaks off goes
 * on where it was, also after the process was killed. What arrives is not verified here: whoever reads it does
 * that, and says so by `settle`.
 */
export class Downloads implements AsyncDisposable {
  readonly #options: DownloadsOptions;
  readonly #downloads = new Map<Digest, Download>();
  readonly #controller = new AbortController();
  readonly #transfers = new Set<Promise<void>>();
  readonly #onAbort: () => void;
  /** Requests under way. */
  #open = 0;
  /** Blobs that are not ours to fetch yet, perhaps because another process does it. */
  #waiting = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: DownloadsOptions) {
    this.#options = options;
    const { signal } = options;
    this.#onAbort = () => this.#controller.abort(signal?.reason);
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborted when a blob cannot be had; the reason is the error. Whoever reads what arrives must listen to it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Bytes fetched from the registry. */
  get fetched(): number {
    let sum = 0;
    for (const { fetched } of this.#downloads.values()) sum += fetched;
    return sum;
  }

  /** Whether there was anything to fetch. */
  get begun(): boolean {
    return this.#downloads.size > 0;
  }

  /** Whether a part of the blob came from an earlier process: then what does not verify may be old damage. */
  isResumed(digest: Digest): boolean {
    return this.#downloads.get(digest)?.resumed === true;
  }

  /** Where the blob is, or arrives from now on. Waits while another process fetches it. */
  fetch(name: RepositoryName, descriptor: Descriptor): Promise<BlobLocation> {
    const known = this.#downloads.get(descriptor.digest);
    if (known !== undefined) return known.location;
    const { promise: location, resolve, reject } = Promise.withResolvers<BlobLocation>();
    location.catch(() => {});
    const download: Download = { name, descriptor, location, fetched: 0, resumed: false, distrust: [] };
    this.#downloads.set(descriptor.digest, download);
    this.#begin(download).then(resolve, error => {
      reject(error);
      this.#fail(error);
    });
    return location;
  }

  /** The blob was read, and its digest and size were right: it moves to its place, durable once `finish` has returned. */
  settle(digest: Digest): void {
    const download = this.#downloads.get(digest);
    if (download?.ingest === undefined) return;
    const { ingest } = download;
    download.settling ??= ingest.commit().then(() => {});
    download.settling.catch(error => this.#fail(error));
  }

  /** The blob turned out to be wrong: what is there of it is not kept. True if another server will be asked for it now. */
  discard(digest: Digest): boolean {
    const download = this.#downloads.get(digest);
    if (download === undefined || download.settling !== undefined) return false;
    download.ingest?.discard();
    return download.distrust.map(distrust => distrust()).includes(true);
  }

  /**
   * Reads the blob as it arrives, for nothing but its digest, and settles it. ContentError `corrupt` if it is wrong. Of
   * a blob that was never asked for here there is nothing to verify.
   */
  async verify(digest: Digest): Promise<void> {
    const download = this.#downloads.get(digest);
    if (download === undefined) return;
    download.verifying ??= this.#verify(download);
    await download.verifying;
  }

  async #verify(download: Download): Promise<void> {
    const { digest } = download.descriptor;
    const location = await download.location;
    if (download.ingest === undefined || download.settling !== undefined) return;
    const verifier = new DigestVerifier(download.descriptor);
    try {
      for await (const chunk of readLocation(location, { signal: this.signal })) verifier.update(chunk);
      verifier.finish();
    } catch (error) {
      throwIfAborted(this.signal);
      if (error instanceof ShaleError && error.code === 'corrupt') this.discard(digest);
      throw error;
    }
    this.settle(digest);
  }

  /** All that was settled is in its place, and durable. */
  async finish(): Promise<void> {
    await Promise.all([...this.#downloads.values()].map(({ settling }) => settling));
    throwIfAborted(this.signal);
  }

  /** Ends connections. What has arrived and was not settled stays, for whoever asks next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    if (!this.signal.aborted) this.#controller.abort(new PullError('cancelled', 'not wanted any more'));
    await Promise.allSettled(this.#transfers);
    for (const download of this.#downloads.values()) {
      // Only then it is known whether there is an ingest, and whether it is being settled.
      await Promise.allSettled([download.location, download.verifying]);
      await Promise.allSettled([download.settling]);
      download.ingest?.[Symbol.dispose]();
    }
  }

  async #begin(download: Download): Promise<BlobLocation> {
    const { store } = this.#options;
    const { descriptor } = download;
    this.#waiting += 1;
    this.#watch ??= setInterval(() => this.#settleUnread(), watchInterval);
    let begun: Ingest | BlobLocation;
    try {
      begun = await store.beginIngest(descriptor, { signal: this.signal });
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) {
        clearInterval(this.#watch);
        this.#watch = undefined;
      }
    }
    if (!('writeAt' in begun)) {
      this.#options.onProgress?.(descriptor.digest, descriptor.size);
      return begun;
    }
    download.ingest = begun;
    download.resumed = begun.extents.length > 0;
    const blob = new IncomingBlob(begun, this.#options.segmentBytes);
    download.blob = blob;
    if (download.resumed) this.#options.onProgress?.(descriptor.digest, blob.received);
    if (this.signal.aborted) blob.end();
    this.#connect();
    return blob.location;
  }

  #connect(): void {
    const { connections = defaultConnections } = this.#options;
    for (const download of this.#downloads.values()) {
      while (this.#open < connections && !this.signal.aborted) {
        const segment = download.blob?.claim();
        if (segment === undefined) break;
        this.#open += 1;
        const transfer = this.#transfer(download, download.blob!, segment)
          .catch(error => this.#fail(error))
          .finally(() => {
            this.#open -= 1;
            this.#transfers.delete(transfer);
            this.#connect();
          });
        this.#transfers.add(transfer);
      }
    }
  }

  async #transfer(download: Download, blob: IncomingBlob, claimed: Segment): Promise<void> {
    const { connect, onProgress } = this.#options;
    const { name, descriptor } = download;
    const { signal } = this;
    let segment = claimed;
    try {
      const { position: start, end } = segment;
      const all = start === 0 && end === descriptor.size;
      const response = await this.#ask(async () =>
        (await connect()).openBlob(name, descriptor, all ? { signal } : { start, end, signal }),
      );
      download.distrust.push(response.distrust);
      if (response.start !== start || !(response.ranged || all)) segment = blob.takeWhole(segment);
      else if (response.ranged) {
        blob.ranged = true;
        this.#connect();
      }
      for await (const chunk of response.body) {
        blob.write(segment, chunk);
        download.fetched += chunk.length;
        onProgress?.(descriptor.digest, blob.received);
        if (signal.aborted) return;
      }
      if (segment.position < segment.end) {
        const missing = segment.end - segment.position;
        throw new PullError('unavailable', `${descriptor.digest}: the server ended ${missing} bytes early`);
      }
    } catch (error) {
      if (signal.aborted) return;
      await this.#pause(download, segment, error);
    } finally {
      blob.release(segment);
    }
  }

  /** A request that fails has been tried several times by the client: then it is over. */
  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Waits before the rest is tried; throws the error when it was tried often enough, or cannot get better. */
  async #pause({ name, descriptor }: Download, segment: Segment, error: unknown): Promise<void> {
    segment.failures += 1;
    const { retries = defaultRetries, onRetry } = this.#options;
    const passing = error instanceof ShaleError && error.code === 'unavailable';
    if (!passing || segment.failures > retries) throw error;
    const most = Math.min(longestDelay, firstDelay * 2 ** (segment.failures - 1));
    const delay = Math.round(most * (0.5 + Math.random() / 2));
    const { registry } = name;
    const { digest: what } = descriptor;
    onRetry?.({ registry, what, attempt: segment.failures, delay, reason: error.message });
    await setTimeout(delay, undefined, { signal: this.signal }).catch(() => {});
  }

  /**
   * Another process holds a blob that we wait for, and it may be waiting for one of ours. So that nobody waits in a
   * circle, what is here and whole is not left to its reader.
   */
  #settleUnread(): void {
    if (this.signal.aborted) return;
    for (const { descriptor, blob, settling } of this.#downloads.values()) {
      if (blob?.complete && settling === undefined)
        this.verify(descriptor.digest).catch(error => this.#fail(error));
    }
  }

  #fail(error: unknown): void {
    if (!this.signal.aborted) this.#controller.abort(error);
    for (const { blob } of this.#downloads.values()) blob?.end();
  }
}
