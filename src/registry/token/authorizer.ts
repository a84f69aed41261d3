import { createHash } from 'node:crypto';
import type { Credential } from '../credential/index.ts';
import { RegistryError } from '../error.ts';
import {
  asStranger,
  type HttpRequest,
  type HttpResponse,
  readTarget,
  showUrl,
  type Trust,
} from '../transport/index.ts';
import { TokenCache } from './cache.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { basicAuthorization, fetchToken } from './fetch.ts';
import { joinScopes } from './scope.ts';
import type { Token } from './token.ts';

/** A server that may want to know who asks. */
export interface Guard {
  /** `docker.io`, `mirror.example:5000`: whose credentials count. */
  readonly registry: string;
  /** Scheme, host and port that the request goes to. */
  readonly origin: string;
  readonly trust: Trust;
  findCredential(): Promise<Credential | undefined>;
}

/** What a request shows, and what the next one may differ in. */
export interface Authorization {
  readonly header: string;
  /** True if a credential stands behind it. */
  readonly known: boolean;
  readonly scopes: readonly string[];
  /** Of a bearer token. */
  readonly token?: { readonly key: string; readonly value: Token; readonly fresh: boolean };
}

type Offer =
  | { readonly kind: 'basic' }
  | { readonly kind: 'bearer'; readonly realm: URL; readonly service?: string };

/** Of this process: a second client need not ask again for what the first was given. */
const shared = new TokenCache();

/**
 * Who we are, to each server as it wants to be told. The first request to an origin is anonymous; what it is challenged
 * with is remembered, so that later ones bring their token at once.
 */
export class Authorizer {
  readonly #send: (request: HttpRequest) => Promise<HttpResponse>;
  readonly #tokens: TokenCache;
  readonly #offers = new Map<string, Offer>();

  /** `send` follows redirects. What fails for the moment is for the caller to repeat: its own request waits for the token. */
  constructor(send: (request: HttpRequest) => Promise<HttpResponse>, tokens: TokenCache = shared) {
    this.#send = send;
    this.#tokens = tokens;
  }

  /** What to begin with; `undefined` is anonymous. */
  async begin(guard: Guard, scopes: readonly string[]): Promise<Authorization | undefined> {
    const offer = this.#offers.get(guard.origin);
    return offer === undefined ? undefined : await this.#accept(guard, offer, joinScopes(...scopes));
  }

  /**
   * What to try after a refusal; `undefined` if nothing else is left to try. Only for a response of the server itself:
   * where a redirect led, nobody may ask for credentials. A token that was refused is thrown away and asked for anew,
   * once, and once more if the challenge wants a wider scope than it had.
   */
  async answer(
    guard: Guard,
    response: HttpResponse,
    scopes: readonly string[],
    refused: Authorization | undefined,
  ): Promise<Authorization | undefined> {
    const challenges = parseChallenges(response.headers['www-authenticate']);
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'),
    );
    const basic = challenges.some(({ scheme }) => scheme === 'basic');
    if (refused?.token) await this.#tokens.drop(refused.token.key, refused.token.value);
    if (bearer !== undefined) {
      const offer = readOffer(guard, bearer);
      const own = refused?.scopes ?? scopes;
      const wanted = joinScopes(...own, bearer.parameters.get('scope') ?? '');
      const wider = wanted.join(' ') !== joinScopes(...own).join(' ');
      if (refused?.token?.fresh && !wider) return undefined;
      this.#offers.set(guard.origin, offer);
      return await this.#accept(guard, offer, wanted);
    }
    if (!basic || refused?.header.startsWith('Basic ')) return undefined;
    const offer = { kind: 'basic' } as const;
    this.#offers.set(guard.origin, offer);
    return await this.#accept(guard, offer, scopes);
  }

  async #accept(guard: Guard, offer: Offer, scopes: readonly string[]): Promise<Authorization | undefined> {
    const credential = await guard.findCredential();
    const known = credential !== undefined;
    if (offer.kind === 'basic') {
      return known ? { header: basicAuthorization(credential), known, scopes } : undefined;
    }
    const { realm, service } = offer;
    const key = JSON.stringify([
      guard.registry,
      realm.href,
      service,
      scopes,
      fingerprint(credential),
      guard.trust.insecure,
    ]);
    const trust = realm.origin === guard.origin ? guard.trust : strangerTrust(guard.trust, realm);
    const question = { registry: guard.registry, realm, service, scopes, credential, trust };
    const { token, fresh } = await this.#tokens.get(key, () => fetchToken(question, this.#send));
    const header = `Bearer ${token.secret.reveal()}`;
    return { header, known, scopes, token: { key, value: token, fresh } };
  }
}

/** The realm must be as well protected as the registry: it gets the credentials. */
function readOffer(guard: Guard, { parameters }: Challenge): Offer {
  const text = parameters.get('realm') ?? '';
  const service = parameters.get('service');
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') {
    throw new RegistryError('invalid', `${guard.registry} names a token server that is no URL`, {
      detail: { registry: guard.registry },
    });
  }
  const base = new URL(guard.origin);
  if (url.protocol !== 'https:' && !guard.trust.insecure) {
    throw new RegistryError('denied', `${guard.registry} names a token server without TLS: ${showUrl(url)}`, {
      detail: { registry: guard.registry, url: showUrl(url) },
      hint: 'this is allowed only for registries named with --insecure-registry',
    });
  }
  const realm = readTarget(text, base, guard.trust.insecure);
  return { kind: 'bearer', realm, ...(service === undefined ? {} : { service }) };
}

/** Another host than the registry's: its client certificate stays here; plain http remains possible where it was. */
function strangerTrust(trust: Trust, realm: URL): Trust {
  const request = asStranger({ method: 'GET', url: realm, headers: {}, trust });
  return { ...request.trust, insecure: trust.insecure && realm.protocol === 'http:' };
}

function fingerprint(credential: Credential | undefined): string {
  if (credential === undefined) return '';
  const parts =
    credential.kind === 'basic'
      ? ['basic', credential.username, credential.password.reveal()]
      : ['identity', credential.token.reveal()];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
