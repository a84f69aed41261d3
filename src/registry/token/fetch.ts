import type { Credential } from '../credential/index.ts';
import { RegistryError } from '../error.ts';
import {
  findHeader,
  type HttpRequest,
  type HttpResponse,
  isRetryableStatus,
  parseRetryAfter,
  readDocument,
  showText,
  showUrl,
  type Trust,
} from '../transport/index.ts';
import { readToken, type Token } from './token.ts';

export interface TokenQuestion {
  /** Whose token it is to be, for errors. */
  readonly registry: string;
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  readonly trust: Trust;
}

type Send = (request: HttpRequest) => Promise<HttpResponse>;

const documentLimit = 1024 * 1024;
const deadline = 60_000;

/**
 * Asks a token server. With user and password, or nobody: GET, and POST where the server knows no GET. With an identity
 * token: POST as OAuth2's refresh (distribution's "oauth2" specification), and GET where the server knows no POST.
 * RegistryError `unauthenticated` if it refuses.
 */
export async function fetchToken(question: TokenQuestion, send: Send): Promise<Token> {
  const { credential } = question;
  const ways = credential?.kind === 'identity' ? [post, get] : credential === undefined ? [get] : [get, post];
  for (const [index, way] of ways.entries()) {
    const response = await send(way(question));
    const unknown = [404, 405, 501].includes(response.status);
    if (unknown && index + 1 < ways.length) {
      response.body.discard();
      continue;
    }
    return await readAnswer(question, response);
  }
  throw new Error('no way');
}

function get({ realm, service, scopes, credential, trust }: TokenQuestion): HttpRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credential?.kind === 'basic') url.searchParams.set('account', credential.username);
  return {
    method: 'GET',
    url,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    ownHeaders: credential === undefined ? {} : { authorization: basicAuthorization(credential) },
    trust,
  };
}

function post({ realm, service, scopes, credential, trust }: TokenQuestion): HttpRequest {
  const form = new URLSearchParams({ client_id: 'shale', scope: scopes.join(' ') });
  if (service !== undefined) form.set('service', service);
  if (credential?.kind === 'identity') {
    form.set('grant_type', 'refresh_token');
    form.set('refresh_token', credential.token.reveal());
  } else if (credential !== undefined) {
    form.set('grant_type', 'password');
    form.set('username', credential.username);
    form.set('password', credential.password.reveal());
  }
  const bytes = Buffer.from(form.toString());
  return {
    method: 'POST',
    url: realm,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'content-type': 'application/x-www-form-urlencoded',
    },
    content: {
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    },
    trust,
  };
}

/** For `Authorization`. An identity token goes under the name that Docker's helpers give it. */
export function basicAuthorization(credential: Credential): string {
  const [username, password] =
    credential.kind === 'basic' ? [credential.username, credential.password] : ['<token>', credential.token];
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}

async function readAnswer(question: TokenQuestion, response: HttpResponse): Promise<Token> {
  const { registry, realm, credential } = question;
  const where = showUrl(realm);
  const bytes = await readDocument(response, {
    limit: documentLimit,
    deadline,
    what: `the answer of ${where}`,
  });
  const { status } = response;
  const detail = { url: where, status, registry };
  if (status === 200) {
    const token = readToken(parse(bytes), response);
    if (token !== undefined) return token;
    throw new RegistryError('invalid', `${where} answered without a token`, { detail });
  }
  if (isRetryableStatus(status)) {
    const retryAfter = parseRetryAfter(findHeader(response, 'retry-after'));
    throw new RegistryError('unavailable', `${where} answered with status ${status}`, {
      detail: { ...detail, retryable: true, ...(retryAfter === undefined ? {} : { retryAfter }) },
    });
  }
  const refused = status === 400 || status === 401 || status === 403;
  const why =
    credential === undefined
      ? 'gives no token without a login'
      : `does not accept the login${who(credential)}`;
  throw new RegistryError(
    refused ? 'unauthenticated' : 'unavailable',
    refused ? `${where} ${why} for ${registry}` : `${where} answered with status ${status}`,
    { detail: { ...detail, retryable: false }, hint: `shale login ${registry}` },
  );
}

function who(credential: Credential): string {
  return credential.kind === 'basic' ? ` of ${showText(credential.username, 80)}` : '';
}

/** Not the parser's error: it quotes the text, which may be a token. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
