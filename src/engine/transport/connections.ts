import type { RegistryClient, RetryEvent } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { CacheOptions, RegistryOptions } from '../options.ts';

export interface ConnectionOptions extends CacheOptions, RegistryOptions {
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

/** The client of all registries and the cache, each opened at its first use and closed with this. */
export class Connections implements AsyncDisposable {
  readonly options: ConnectionOptions;
  #client: Promise<RegistryClient> | undefined;
  #store: Promise<Store> | undefined;

  constructor(options: ConnectionOptions) {
    this.options = options;
  }

  client(): Promise<RegistryClient> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  store(): Promise<Store> {
    this.#store ??= this.#openStore();
    return this.#store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [client, store] = await Promise.allSettled([this.#client, this.#store]);
    if (client.status === 'fulfilled') await client.value?.[Symbol.asyncDispose]();
    if (store.status === 'fulfilled') store.value?.[Symbol.dispose]();
  }

  async #connect(): Promise<RegistryClient> {
    const { createRegistryClient } = await import('../../registry/index.ts');
    const { authFile, insecureRegistries, certDir, retries, onRetry } = this.options;
    return createRegistryClient({ authFile, insecureRegistries, certDir, retries, onRetry });
  }

  async #openStore(): Promise<Store> {
    const { openStore } = await import('../../store/index.ts');
    return await openStore({ root: this.options.root });
  }
}
