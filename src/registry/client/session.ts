import { type Endpoint, findEndpoints } from '../configuration/index.ts';
import { type Credential, type CredentialStore, openCredentials } from '../credential/index.ts';
import { Authorizer, TokenCache } from '../token/index.ts';
import {
  Connections,
  defaultTimeouts,
  exchange,
  follow,
  type HttpRequest,
  type HttpResponse,
  type RetryEvent,
  type Timeouts,
} from '../transport/index.ts';
import type { RegistryOptions } from './options.ts';

/** A name as `findEndpoints` takes it: mirrors may be for digests only. */
export interface Named {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: Parameters<typeof findEndpoints>[0]['digest'] | undefined;
}

/** An endpoint that did not answer is left alone for so long, where there is another. Milliseconds. */
const restTime = 60_000;
/** Until when endpoints are left alone that sent wrong content: of this process, for the next client tries it again. */
const distrusted = new Map<string, number>();

/** What all requests of a client share: connections, tokens, credentials, and what was learnt of the servers. */
export class Session implements AsyncDisposable {
  readonly options: RegistryOptions;
  readonly timeouts: Timeouts;
  /** Of a request, at an endpoint that no other can stand in for. */
  readonly tries: number;
  readonly authorizer: Authorizer;
  readonly onRetry: ((event: RetryEvent) => void) | undefined;
  /** For an insecure endpoint, by its own: the origin that answered, which may be plain http. */
  readonly answering = new Map<string, string>();
  readonly #connections: Connections;
  readonly #credentials: CredentialStore;
  readonly #found = new Map<string, Promise<Credential | undefined>>();
  readonly #endpoints = new Map<string, Promise<readonly Endpoint[]>>();
  readonly #resting = new Map<string, number>();

  constructor(options: RegistryOptions) {
    this.options = options;
    this.timeouts = { ...defaultTimeouts, ...withoutUndefined(options.timeouts ?? {}) };
    this.tries = Math.max(0, Math.floor(options.retries ?? 4)) + 1;
    this.onRetry = options.onRetry;
    this.#connections = new Connections(this.timeouts.connect);
    this.#credentials = openCredentials({ authFile: options.authFile });
    const send = (request: HttpRequest) => this.send(request);
    // A credential that is only being tried must not live on what an earlier one was given.
    this.authorizer = options.credential ? new Authorizer(send, new TokenCache()) : new Authorizer(send);
  }

  /** One response, redirects followed; no authentication, no second try. */
  send(request: HttpRequest): Promise<HttpResponse> {
    return follow(request, step => exchange(this.#connections, step, this.timeouts));
  }

  /** In the order in which they are to be tried; never empty. */
  async endpoints(name: Named): Promise<readonly Endpoint[]> {
    const kind = name.digest === undefined ? 'tag' : 'digest';
    const key = JSON.stringify([name.registry, name.repository, kind]);
    let found = this.#endpoints.get(key);
    if (found === undefined) {
      const { insecureRegistries, certDir, registriesConf, certsDirs } = this.options;
      const { registry, repository, tag, digest } = name;
      found = findEndpoints(
        withoutUndefined({ registry, repository, tag, digest }) as Parameters<typeof findEndpoints>[0],
        withoutUndefined({ insecureRegistries, certDir, registriesConf, certsDirs }),
      );
      this.#endpoints.set(key, found);
    }
    return await found;
  }

  /** Looked up once for each repository: a helper program may stand behind it. */
  findCredential(endpoint: Endpoint): Promise<Credential | undefined> {
    if (this.options.credential !== undefined && !endpoint.mirror)
      return Promise.resolve(this.options.credential);
    const key = JSON.stringify([endpoint.registry, endpoint.repository]);
    let found = this.#found.get(key);
    if (found === undefined) {
      found = this.#credentials.find(endpoint.registry, endpoint.repository);
      this.#found.set(key, found);
    }
    return found;
  }

  isResting({ origin }: Endpoint): boolean {
    const until = Math.max(this.#resting.get(origin) ?? 0, distrusted.get(origin) ?? 0);
    return until > performance.now();
  }

  rest({ origin }: Endpoint): void {
    this.#resting.set(origin, performance.now() + restTime);
  }

  distrust({ origin }: Endpoint): void {
    distrusted.set(origin, performance.now() + restTime);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
