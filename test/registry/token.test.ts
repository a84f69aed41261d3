import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ShaleError } from '../../src/error/index.ts';
import { type Credential, Secret } from '../../src/registry/credential/index.ts';
import {
  Authorizer,
  type Guard,
  joinScopes,
  parseChallenges,
  TokenCache,
} from '../../src/registry/token/index.ts';
import {
  Connections,
  defaultTimeouts,
  exchange,
  follow,
  type HttpResponse,
} from '../../src/registry/transport/index.ts';
import { createRandom, readSeed } from '../model/random.ts';
import { listen } from './listen.ts';
import { startTokenServer } from './token.ts';

const basic = (username: string, password: string): Credential => ({
  kind: 'basic',
  username,
  password: new Secret(password),
});

/** An authorizer of its own, with tokens of its own. */
async function use<T>(work: (authorizer: Authorizer) => Promise<T>): Promise<T> {
  await using connections = new Connections(5000);
  return await work(
    new Authorizer(
      request => follow(request, step => exchange(connections, step, defaultTimeouts)),
      new TokenCache(),
    ),
  );
}

const guard = (credential?: Credential, more: Partial<Guard> = {}): Guard => ({
  registry: 'registry.example',
  origin: 'https://registry.example',
  trust: { ca: [], insecure: true },
  findCredential: async () => credential,
  ...more,
});

/** What a registry answers to who is not welcome. */
const refusal = (...challenges: string[]): HttpResponse =>
  ({ status: 401, own: true, headers: { 'www-authenticate': challenges } }) as unknown as HttpResponse;

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof ShaleError, String(error));
  assert.equal(error.code, expected, error.message);
  assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /hunter2/);
  return true;
};

test('challenges: several in a header and several headers, quotes, commas, escapes, case', () => {
  const plain = (headers: string | string[] | undefined) =>
    parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  assert.deepEqual(plain(undefined), []);
  assert.deepEqual(plain('Bearer realm="https://a/token",service="b",scope="repository:x:pull,push"'), [
    ['bearer', { realm: 'https://a/token', service: 'b', scope: 'repository:x:pull,push' }],
  ]);
  assert.deepEqual(plain('BASIC Realm = "a, \\"b\\" \\\\ c" , Bearer realm=x,error=invalid_token'), [
    ['basic', { realm: 'a, "b" \\ c' }],
    ['bearer', { realm: 'x', error: 'invalid_token' }],
  ]);
  assert.deepEqual(plain(['Negotiate', 'Basic realm="a"']), [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
  ]);
  assert.deepEqual(plain('Negotiate, Basic realm="a"'), [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
  ]);
  // The first of two counts, so that nothing behind it can take its place.
  assert.deepEqual(plain('Bearer realm="a", realm="b"'), [['bearer', { realm: 'a' }]]);
  assert.deepEqual(plain('Basic realm="never closed'), [
    ['basic', {}],
    ['realm', {}],
  ]);
});

test('challenges: any text is read, in little time', t => {
  const seed = readSeed();
  t.diagnostic(`SEED=${seed}`);
  const { integer: random } = createRandom(seed);
  const parts = ['Bearer', ' ', 'realm', '=', '"', ',', '\\', 'a', '\t', '\u00ff', 'Basic ', 'scope="x"'];
  const started = performance.now();
  for (let round = 0; round < 2000; round++) {
    parseChallenges(Array.from({ length: random(40) }, () => parts[random(parts.length)]).join(''));
  }
  for (const part of parts) parseChallenges(`Bearer ${part.repeat(100_000)}`);
  assert.ok(performance.now() - started < 3000);
});

test('scopes are joined by resource', () => {
  assert.deepEqual(joinScopes(), []);
  assert.deepEqual(
    joinScopes('repository:b:pull', 'repository:a:push,pull', 'repository:b:push repository:b:pull'),
    ['repository:a:pull,push', 'repository:b:pull,push'],
  );
  assert.deepEqual(joinScopes('repository:host:5000/a:pull', 'registry:catalog:*', 'odd'), [
    'odd',
    'registry:catalog:*',
    'repository:host:5000/a:pull',
  ]);
});

test('anonymous: the challenge is remembered, the token used again, another scope is another token', async () => {
  await using server = await startTokenServer({ anonymous: true });
  await use(async authorizer => {
    assert.equal(await authorizer.begin(guard(), ['repository:a:pull']), undefined);
    const challenge = refusal(`Bearer realm="${server.realm}",service="s, t",scope="repository:a:pull"`);
    const first = await authorizer.answer(guard(), challenge, ['repository:a:pull'], undefined);
    assert.match(first?.header ?? '', /^Bearer .+/);
    assert.equal(first?.known, false);
    assert.deepEqual(
      server.requests.map(({ service, scopes, user }) => [service, scopes, user]),
      [['s, t', ['repository:a:pull'], undefined]],
    );
    assert.equal((await authorizer.begin(guard(), ['repository:a:pull']))?.header, first?.header);
    assert.equal(server.requests.length, 1);
    assert.notEqual((await authorizer.begin(guard(), ['repository:b:pull']))?.header, first?.header);
    assert.deepEqual(server.requests[1]?.scopes, ['repository:b:pull']);
  });
});

test('with a password: Basic to the token server; several scopes; one fetch for all who ask at once', async () => {
  await using server = await startTokenServer({ users: { me: 'hunter2' }, field: 'access_token' });
  await use(async authorizer => {
    const me = guard(basic('me', 'hunter2'));
    const challenge = refusal(`Bearer realm="${server.realm}",service="s"`);
    const scopes = ['repository:a:pull,push', 'repository:b:pull'];
    const all = await Promise.all(
      Array.from({ length: 8 }, () => authorizer.answer(me, challenge, scopes, undefined)),
    );
    assert.equal(new Set(all.map(one => one?.header)).size, 1);
    assert.equal(server.requests.length, 1);
    assert.deepEqual(server.requests[0]?.scopes, scopes);
    assert.equal(server.requests[0]?.user, 'me');
    assert.doesNotMatch(inspect(all[0]?.token, { depth: 9 }), new RegExp(all[0]!.header.slice(7)));
    // Somebody else, and the same user at another registry, get tokens of their own.
    await authorizer.answer(guard(), challenge, scopes, undefined).catch(() => {});
    await authorizer.answer({ ...me, registry: 'other.example' }, challenge, scopes, undefined);
    assert.equal(server.requests.length, 3);
  });
});

test('an identity token goes by POST as a refresh token, by GET where there is no POST', async () => {
  await using server = await startTokenServer({ users: { me: 'x' } });
  const token = server.addIdentity('me');
  const identity: Credential = { kind: 'identity', token: new Secret(token) };
  await use(async authorizer => {
    const challenge = refusal(`Bearer realm="${server.realm}",service="s"`);
    const given = await authorizer.answer(guard(identity), challenge, ['repository:a:pull'], undefined);
    assert.match(given?.header ?? '', /^Bearer /);
    const [request] = server.requests;
    assert.equal(request?.method, 'POST');
    assert.equal(request?.form.get('grant_type'), 'refresh_token');
    assert.equal(request?.form.get('refresh_token'), token);
    assert.equal(request?.form.get('scope'), 'repository:a:pull');
    assert.ok(request?.form.get('client_id'));
    assert.equal(request?.headers.authorization, undefined);
  });
  await using old = await startTokenServer({ users: { '<token>': 'hunter2' }, oauth: false });
  await use(async authorizer => {
    const challenge = refusal(`Bearer realm="${old.realm}"`);
    const credential: Credential = { kind: 'identity', token: new Secret('hunter2') };
    const given = await authorizer.answer(guard(credential), challenge, [], undefined);
    assert.match(given?.header ?? '', /^Bearer /);
    assert.deepEqual(
      old.requests.map(({ method }) => method),
      ['POST', 'GET'],
    );
  });
});

test('a refused token is thrown away and asked for anew, once; a wider scope once more', async () => {
  await using server = await startTokenServer({ anonymous: true });
  await use(async authorizer => {
    const scopes = ['repository:a:pull'];
    const challenge = refusal(`Bearer realm="${server.realm}"`);
    await authorizer.answer(guard(), challenge, scopes, undefined);
    const cached = await authorizer.begin(guard(), scopes);
    assert.equal(cached?.token?.fresh, false);
    const renewed = await authorizer.answer(guard(), challenge, scopes, cached);
    assert.notEqual(renewed?.header, cached?.header);
    assert.equal(server.requests.length, 2);
    // Others who come with the old one get the new one.
    const late = await authorizer.answer(guard(), challenge, scopes, cached);
    assert.equal(late?.header, renewed?.header);
    assert.equal(await authorizer.answer(guard(), challenge, scopes, renewed), undefined);
    const wide = refusal(
      `Bearer realm="${server.realm}",error="insufficient_scope",scope="repository:a:pull,push"`,
    );
    const wider = await authorizer.answer(guard(), wide, scopes, renewed);
    assert.deepEqual(wider?.scopes, ['repository:a:pull,push']);
    assert.equal(await authorizer.answer(guard(), wide, scopes, wider), undefined);
  });
});

test('tokens are used until shortly before they expire', async () => {
  for (const [fields, alive] of [
    [{ expires_in: 300 }, true],
    [{}, true],
    [{ expires_in: 300, issued_at: new Date(Date.now() - 250_000).toISOString() }, true],
    [{ expires_in: 300, issued_at: new Date(Date.now() - 310_000).toISOString() }, false],
    [{ expires_in: 0.2 }, false],
    [{ expires_in: 'nonsense', issued_at: 'nonsense' }, true],
  ] as const) {
    let count = 0;
    await using server = await listen(
      createServer((_, response) => response.end(JSON.stringify({ token: `t${count++}`, ...fields }))),
      'http',
    );
    await use(async authorizer => {
      await authorizer.answer(guard(), refusal(`Bearer realm="${server.origin}/"`), [], undefined);
      await new Promise(resolve => setTimeout(resolve, 160));
      await authorizer.begin(guard(), []);
      assert.equal(count, alive ? 1 : 2, JSON.stringify(fields));
    });
  }
});

test('Basic only with a credential, and once', async () => {
  await use(async authorizer => {
    const challenge = refusal('Basic realm="x"');
    assert.equal(await authorizer.answer(guard(), challenge, [], undefined), undefined);
    const me = guard(basic('mé', 'a:b'));
    const first = await authorizer.answer(me, challenge, [], undefined);
    assert.equal(first?.header, `Basic ${Buffer.from('mé:a:b').toString('base64')}`);
    assert.equal((await authorizer.begin(me, []))?.header, first?.header);
    assert.equal(await authorizer.answer(me, challenge, [], first), undefined);
  });
});

test('a realm without TLS, or that is no URL, gets nothing', async () => {
  let asked = 0;
  await using server = await listen(
    createServer((_, response) => {
      asked++;
      response.end();
    }),
    'http',
  );
  await use(async authorizer => {
    const strict = guard(basic('me', 'hunter2'), { trust: { ca: [], insecure: false } });
    const answer = (realm: string) =>
      authorizer.answer(strict, refusal(`Bearer realm="${realm}"`), [], undefined);
    await assert.rejects(answer(`${server.origin}/token?x=hunter2`), code('denied'));
    await assert.rejects(answer('/token'), code('invalid'));
    await assert.rejects(answer('https://me:hunter2@x/'), code('invalid'));
    await assert.rejects(answer('file:///etc/passwd'), code('denied'));
    assert.equal(asked, 0);
  });
});

test('a token server that fails: refused, no token, nonsense, an unsafe token, a redirect to elsewhere', async () => {
  const seen: IncomingMessage['headers'][] = [];
  const answers: Record<string, (response: ServerResponse) => void> = {
    '/refuse': response => response.writeHead(401).end('{"token": "hunter2"}'),
    '/empty': response => response.end('{}'),
    '/nonsense': response => response.end('hunter2'),
    '/unsafe': response => response.end(JSON.stringify({ token: 'a\r\nx: y' })),
    '/broken': response => response.writeHead(500).end(),
    '/huge': response => response.end(`{"token": "${'x'.repeat(2e6)}"}`),
    '/away': response => response.writeHead(302, { location: `${other.origin}/empty` }).end(),
  };
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    seen.push(request.headers);
    answers[new URL(request.url!, 'http://x').pathname]!(response);
  };
  await using server = await listen(createServer(serve), 'http');
  await using other = await listen(createServer(serve), 'http');
  await use(async authorizer => {
    const me = guard(basic('me', 'hunter2'));
    const answer = (place: string) =>
      authorizer.answer(me, refusal(`Bearer realm="${server.origin}${place}"`), [], undefined);
    await assert.rejects(answer('/refuse'), error => {
      assert.match(String((error as ShaleError).hint), /shale login registry\.example/);
      return code('unauthenticated')(error);
    });
    await assert.rejects(answer('/empty'), code('invalid'));
    await assert.rejects(answer('/nonsense'), code('invalid'));
    await assert.rejects(answer('/unsafe'), code('invalid'));
    await assert.rejects(answer('/broken'), code('unavailable'));
    await assert.rejects(answer('/huge'), code('exhausted'));
    seen.length = 0;
    await assert.rejects(answer('/away'), code('invalid'));
    assert.deepEqual(
      seen.map(({ authorization }) => authorization !== undefined),
      [true, false],
    );
  });
});

test('who waits for a fetch that another began does not fail with it', async () => {
  const cache = new TokenCache();
  const token = { secret: new Secret('x'), expires: Number.POSITIVE_INFINITY };
  const first = cache.get('key', async () => Promise.reject(new Error('interrupted')));
  const second = cache.get('key', async () => token);
  await assert.rejects(first, /interrupted/);
  assert.equal((await second).token, token);
});
