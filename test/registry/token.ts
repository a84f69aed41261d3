import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type Listening, listen, readBody } from './listen.ts';

/** What a token allows: an entry of the `access` claim. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface TokenServerOptions {
  readonly users?: Readonly<Record<string, string>>;
  /** Refresh tokens that are good for POST, by the user they stand for. */
  readonly identityTokens?: Readonly<Record<string, string>>;
  /** Whether anyone may pull without a credential; false if not given. */
  readonly anonymous?: boolean;
  /** A repository for which nobody gets a token, whatever else is asked for with it. */
  readonly denies?: string;
  /** What `expires_in` says, in seconds; 300 if not given, left out if null. */
  readonly expiresIn?: number | null;
  /** The field that has the token: registries differ. Both if not given. */
  readonly field?: 'token' | 'access_token';
  /** Whether POST is answered; 404 otherwise, as from servers older than OAuth2. True if not given. */
  readonly oauth?: boolean;
  /** Makes the token's text; random if not given. */
  readonly mint?: (claims: { subject: string; service: string; access: readonly Access[] }) => string;
}

export interface TokenRequest {
  readonly method: string;
  readonly user: string | undefined;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly headers: IncomingMessage['headers'];
  /** The form of a POST. */
  readonly form: URLSearchParams;
  readonly query: URLSearchParams;
  readonly status: number;
}

/** An authorization server of the kind that registries name in `Bearer realm=…`. */
export interface TokenServer extends AsyncDisposable {
  readonly origin: string;
  readonly realm: string;
  readonly requests: readonly TokenRequest[];
  /** Who holds the token and what it allows, unless it was revoked or never given. */
  find(token: string): { readonly access: readonly Access[] } | undefined;
  /** From now on every token given so far is worth nothing. */
  revoke(): void;
  /** A refresh token that works, as `docker login` would have got. */
  addIdentity(user: string): string;
}

export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const { users = {}, anonymous = false, expiresIn = 300, oauth = true } = options;
  const identities = new Map(
    Object.entries(options.identityTokens ?? {}).map(([user, token]) => [token, user]),
  );
  const tokens = new Map<string, { access: readonly Access[] }>();
  const requests: TokenRequest[] = [];

  const answer = async (request: IncomingMessage) => {
    const url = new URL(request.url ?? '/', 'http://token');
    const form = new URLSearchParams(
      request.method === 'POST' ? (await readBody(request)).toString('latin1') : '',
    );
    const fields = request.method === 'POST' ? form : url.searchParams;
    const scopes = fields.getAll('scope').flatMap(scope => scope.split(' ').filter(Boolean));
    const service = fields.get('service') ?? '';
    const user = request.method === 'POST' ? userOfForm(form) : userOfHeader(request);
    const log = (status: number) => {
      const { method = '', headers } = request;
      requests.push({ method, user, service, scopes, headers, form, query: url.searchParams, status });
      return status;
    };
    if (url.pathname !== '/token' || (request.method === 'POST' && !oauth))
      return { status: log(404), body: {} };
    const tried = request.method === 'POST' || request.headers.authorization !== undefined;
    if (user === undefined && (tried || !anonymous)) {
      return { status: log(401), body: { error: 'invalid_grant', errors: [{ code: 'UNAUTHORIZED' }] } };
    }
    if (scopes.some(scope => parseScope(scope).name === options.denies))
      return { status: log(403), body: { errors: [{ code: 'DENIED' }] } };
    const access = scopes.map(parseScope).map(scope => ({
      ...scope,
      actions: user === undefined ? scope.actions.filter(action => action === 'pull') : scope.actions,
    }));
    const token =
      options.mint?.({ subject: user ?? '', service, access }) ?? randomBytes(24).toString('base64url');
    tokens.set(token, { access });
    const offline = fields.get('access_type') === 'offline' || fields.get('offline_token') === 'true';
    const refresh =
      form.get('refresh_token') ?? (offline && user !== undefined ? addIdentity(user) : undefined);
    return {
      status: log(200),
      body: {
        ...(options.field !== 'access_token' && request.method !== 'POST' && { token }),
        ...((options.field !== 'token' || request.method === 'POST') && { access_token: token }),
        ...(expiresIn !== null && { expires_in: expiresIn }),
        ...(refresh && { refresh_token: refresh }),
        issued_at: new Date().toISOString(),
        scope: scopes.join(' '),
      },
    };
  };

  const userOfHeader = (request: IncomingMessage): string | undefined => {
    const [scheme = '', encoded = ''] = (request.headers.authorization ?? '').split(' ');
    const [, user = '', password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
    return scheme.toLowerCase() === 'basic' && users[user] === password && password !== undefined
      ? user
      : undefined;
  };
  const userOfForm = (form: URLSearchParams): string | undefined => {
    if (form.get('grant_type') === 'refresh_token') return identities.get(form.get('refresh_token') ?? '');
    const [user, password] = [form.get('username') ?? '', form.get('password')];
    return form.get('grant_type') === 'password' && password !== null && users[user] === password
      ? user
      : undefined;
  };
  const addIdentity = (user: string): string => {
    const token = `identity-${randomBytes(16).toString('hex')}`;
    identities.set(token, user);
    return token;
  };

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      },
      () => response.destroy(),
    );
  });
  const listening: Listening = await listen(server, 'http');
  return {
    origin: listening.origin,
    realm: `${listening.origin}/token`,
    requests,
    find: token => tokens.get(token),
    revoke: () => tokens.clear(),
    addIdentity,
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

/** `repository:a/b:pull,push`; a name may have a port's colon. */
export function parseScope(scope: string): Access {
  const parts = scope.split(':');
  const actions = (parts.pop() ?? '').split(',').filter(Boolean);
  return { type: parts.shift() ?? '', name: parts.join(':'), actions };
}
