import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { buildConnector, Dispatcher } from 'undici';
import { RegistryError } from '../error.ts';
import type { Trust } from './message.ts';
import { findProxy } from './proxy.ts';

/** Connections to one server at a time: more than any download asks for, and a bound all the same. */
const connectionsPerOrigin = 64;

/**
 * The connections of a client, kept open for what comes next. Servers with the same trust and the same proxy share an
 * agent. undici is loaded with the first request.
 */
export class Connections implements AsyncDisposable {
  readonly #connectTimeout: number;
  readonly #agents = new Map<string, Promise<Dispatcher>>();
  readonly #connecting = new Set<Socket>();
  #closed = false;

  /** Milliseconds. */
  constructor(connectTimeout: number) {
    this.#connectTimeout = connectTimeout;
  }

  /** RegistryError `invalid` for certificates or a proxy that cannot be read, `cancelled` after all was closed. */
  async find(url: URL, trust: Trust): Promise<Dispatcher> {
    if (this.#closed) throw new RegistryError('cancelled', 'the registry client was closed');
    const proxy = findProxy(url);
    const secure = url.protocol === 'https:';
    const parts = secure ? [trust.ca, trust.cert, trust.key, trust.insecure] : [];
    const key = createHash('sha256')
      .update(JSON.stringify([proxy?.href, secure, parts]))
      .digest('hex');
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = this.#create(proxy, secure ? trust : undefined);
      this.#agents.set(key, agent);
    }
    return await agent;
  }

  /** Closes everything; what is under way fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const agents = await Promise.allSettled(this.#agents.values());
    this.#agents.clear();
    for (const socket of this.#connecting) socket.destroy();
    await Promise.all(
      agents.map(agent => (agent.status === 'fulfilled' ? agent.value.destroy() : undefined)),
    );
  }

  async #create(proxy: URL | undefined, trust: Trust | undefined): Promise<Dispatcher> {
    const { Agent, ProxyAgent, buildConnector } = await import('undici');
    const timeout = this.#connectTimeout;
    const tls = trust === undefined ? {} : tlsOptions(trust);
    // HTTP/1.1: ranges of a blob come faster on a connection each than in the one window of HTTP/2.
    const common = { allowH2: false, connections: connectionsPerOrigin, pipelining: 1 } as const;
    if (proxy === undefined) {
      return new Agent({
        ...common,
        connect: this.#track(buildConnector({ ...tls, timeout, allowH2: false })),
      });
    }
    const user = decodeURIComponent(proxy.username);
    const password = decodeURIComponent(proxy.password);
    const token = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    return new ProxyAgent({
      ...common,
      uri: `${proxy.protocol}//${proxy.host}`,
      ...(user === '' ? {} : { token }),
      connectTimeout: timeout,
      requestTls: tls,
      proxyTls: proxy.protocol === 'https:' ? tlsOptions({ ca: [], insecure: false }) : {},
    });
  }

  /** A connection that is still being made holds no request, so nobody else would close it. */
  #track(connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) => {
      const socket = (connect as (...args: unknown[]) => Socket)(
        options,
        (...args: Parameters<typeof callback>) => {
          this.#connecting.delete(socket);
          callback(...args);
        },
      );
      this.#connecting.add(socket);
      return socket;
    };
  }
}

function tlsOptions(trust: Trust): { secureContext: SecureContext; rejectUnauthorized: boolean } {
  return { secureContext: createContext(trust), rejectUnauthorized: !trust.insecure };
}

/** Made once for all connections of an agent: to read hundreds of certificates takes longer than a handshake. */
function createContext({ ca, cert, key, insecure }: Trust): SecureContext {
  try {
    return createSecureContext({
      ...(insecure ? {} : { ca: [...rootCertificates(), ...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  } catch (cause) {
    throw new RegistryError('invalid', 'a certificate or key for a registry cannot be read', {
      cause,
      hint: 'certificates and keys are PEM files; a client certificate NAME.cert goes with NAME.key',
    });
  }
}

let roots: readonly string[] | undefined;

/** Whom the system trusts and whom Node does, NODE_EXTRA_CA_CERTS included. */
function rootCertificates(): readonly string[] {
  roots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return roots;
}
