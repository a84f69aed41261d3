import { setTimeout } from 'node:timers/promises';
import type { Bytes, ContentOptions, Fetcher } from '../../content/index.ts';
import { ShaleError } from '../../error/index.ts';
import { throwIfAborted } from '../../host/index.ts';
import type { Descriptor, Digest } from '../../oci/index.ts';
import type { RegistryClient, RepositoryName, RetryEvent } from '../../registry/index.ts';

export interface RegistryFetcherOptions {
  /** How often in a row a connection may break off without a byte having come. */
  readonly retries?: number | undefined;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

const defaultRetries = 4;
const firstDelay = 250;
const longestDelay = 15_000;

/** A repository as a source. */
export class RegistryFetcher implements Fetcher {
  readonly place: string;
  readonly #client: RegistryClient;
  readonly #name: RepositoryName;
  readonly #options: RegistryFetcherOptions;
  readonly #known = new Map<Digest, Uint8Array>();

  constructor(
    client: RegistryClient,
    { registry, repository }: RepositoryName,
    options: RegistryFetcherOptions,
  ) {
    this.place = `${registry}/${repository}`;
    this.#client = client;
    this.#name = { registry, repository };
    this.#options = options;
  }

  /** A manifest that was read already, to find out its digest. */
  remember({ digest }: Descriptor, bytes: Uint8Array): void {
    this.#known.set(digest, bytes);
  }

  async readManifest(expected: Descriptor, { signal }: ContentOptions): Promise<Uint8Array> {
    const { digest } = expected;
    const reference = { ...this.#name, tag: undefined, digest };
    return (
      this.#known.get(digest) ?? (await this.#client.fetchManifest(reference, { signal, expected })).bytes
    );
  }

  hasBlob(descriptor: Descriptor, options: ContentOptions): Promise<boolean> {
    return this.#client.hasBlob(this.#name, descriptor, options);
  }

  findReferrers(subject: Digest, options: ContentOptions): Promise<readonly Descriptor[]> {
    return this.#client.referrers(this.#name, subject, options);
  }

  /** A body that breaks off is asked for again, from where it got to. */
  async *openBlob(descriptor: Descriptor, offset: number, { signal }: ContentOptions): Bytes {
    let [position, failures] = [offset, 0];
    while (position < descriptor.size) {
      const range = position === 0 ? {} : { start: position };
      // The request itself is repeated by the client.
      const { start, body } = await this.#client.openBlob(this.#name, descriptor, { ...range, signal });
      let at = start;
      try {
        for await (const chunk of body) {
          const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, position - at)));
          at += chunk.length;
          if (fresh.length === 0) continue;
          position += fresh.length;
          failures = 0;
          yield fresh;
        }
        return;
      } catch (error) {
        throwIfAborted(signal);
        failures += 1;
        await this.#pause(descriptor, failures, error, signal);
      }
    }
  }

  async #pause({ digest }: Descriptor, failures: number, error: unknown, signal: AbortSignal | undefined) {
    const { retries = defaultRetries, onRetry } = this.#options;
    if (!(error instanceof ShaleError) || error.code !== 'unavailable' || failures > retries) throw error;
    const most = Math.min(longestDelay, firstDelay * 2 ** (failures - 1));
    const delay = Math.round(most * (0.5 + Math.random() / 2));
    const { registry } = this.#name;
    onRetry?.({ registry, what: digest, attempt: failures, delay, reason: error.message });
    await setTimeout(delay, undefined, { signal }).catch(() => throwIfAborted(signal));
  }
}
