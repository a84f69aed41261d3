import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ShaleError } from '../../src/error/index.ts';
import {
  type Credential,
  openCredentials,
  removeCredential,
  Secret,
  storeCredential,
} from '../../src/registry/credential/index.ts';
import { findAuthPlaces } from '../../src/registry/credential/place.ts';
import { createScratch } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const auth = (user: string, password: string) => ({ auth: base64(`${user}:${password}`) });

/** A credential as the tables write it: `user:password`, or `token TEXT`. */
function show(credential: Credential | undefined): string | undefined {
  if (credential === undefined) return undefined;
  return credential.kind === 'basic'
    ? `${credential.username}:${credential.password.reveal()}`
    : `token ${credential.token.reveal()}`;
}

/** A home with nothing in it but what the test writes; nothing of the machine's counts. */
function createHome() {
  const scratch = createScratch();
  const variables: Record<string, string> = {
    HOME: scratch.at('home'),
    XDG_RUNTIME_DIR: scratch.at('run'),
  };
  const places = {
    runtime: scratch.at('run/containers/auth.json'),
    config: scratch.at('home/.config/containers/auth.json'),
    docker: scratch.at('home/.docker/config.json'),
  };
  const variable = (name: string) => variables[name];
  const write = (path: string, content: unknown) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const find = async (registry: string, repository = '', authFile?: string) =>
    show(await openCredentials({ variable, authFile, helperTimeout: 5000 }).find(registry, repository));
  return {
    ...scratch,
    at: scratch.at,
    variables,
    variable,
    places,
    write,
    find,
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

/** Everything that an error could show, its causes included. */
function allOf(error: unknown): string {
  const texts = [inspect(error, { depth: 20, showHidden: true })];
  for (let at = error; at instanceof Error; at = at.cause) {
    texts.push(
      at.message,
      String(at.stack),
      at instanceof ShaleError ? `${at.hint} ${JSON.stringify(at.detail)}` : '',
    );
  }
  return texts.join('\n');
}

async function failure(work: Promise<unknown>): Promise<ShaleError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ShaleError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'it did not fail' });
}

// containers-auth.json(5), "DESCRIPTION"; Docker, "docker login", on DOCKER_CONFIG.
test('the order of the files', async () => {
  using home = createHome();
  const entry = (user: string) => ({ auths: { 'r.example': auth(user, 'p') } });
  assert.equal(await home.find('r.example'), undefined);
  home.write(home.places.docker, entry('docker'));
  assert.equal(await home.find('r.example'), 'docker:p');
  home.write(home.places.config, entry('config'));
  assert.equal(await home.find('r.example'), 'config:p');
  home.write(home.places.runtime, { auths: { 'other.example': auth('x', 'y') } });
  assert.equal(await home.find('r.example'), 'config:p', 'a file without the registry is passed over');
  home.write(home.places.runtime, entry('runtime'));
  assert.equal(await home.find('r.example'), 'runtime:p');
  home.variables.REGISTRY_AUTH_FILE = home.write(home.at('variable.json'), entry('variable'));
  assert.equal(await home.find('r.example'), 'variable:p');
  const given = home.write(home.at('given.json'), entry('given'));
  assert.equal(await home.find('r.example', '', given), 'given:p');
  assert.equal(await home.find('none.example', '', given), undefined);
});

test('places follow the variables', () => {
  const of = (variables: Record<string, string>) => findAuthPlaces(undefined, name => variables[name]).paths;
  const uid = process.getuid?.() ?? 0;
  assert.deepEqual(of({ HOME: '/h' }), [
    `/run/containers/${uid}/auth.json`,
    '/h/.config/containers/auth.json',
    '/h/.docker/config.json',
  ]);
  assert.deepEqual(of({ HOME: '/h', XDG_RUNTIME_DIR: '/r', XDG_CONFIG_HOME: '/c', DOCKER_CONFIG: '/d' }), [
    '/r/containers/auth.json',
    '/c/containers/auth.json',
    '/d/config.json',
  ]);
  assert.deepEqual(of({ HOME: '/h', REGISTRY_AUTH_FILE: '/f.json' }), ['/f.json']);
});

test('an auth file that was named must be there', async () => {
  using home = createHome();
  const error = await failure(home.find('r.example', '', home.at('missing.json')));
  assert.equal(error.code, 'not-found');
  assert.match(error.message, /missing\.json/);
});

// containers-auth.json(5), "FORMAT", and containers/image pkg/docker/config: authKeyLookupOrder, normalizeAuthFileKey;
// Kubernetes, "Interpretation of config.json", for globs.
const lookups: readonly (readonly [
  what: string,
  keys: readonly string[],
  name: string,
  key: string | undefined,
])[] = [
  ['the host', ['quay.io'], 'quay.io/org/repo', 'quay.io'],
  ['another host', ['quay.io'], 'quay.iox/org/repo', undefined],
  ['a port is part of it', ['quay.io'], 'quay.io:5000/org', undefined],
  ['with a port', ['quay.io', 'quay.io:5000'], 'quay.io:5000/org', 'quay.io:5000'],
  ['case of the host', ['Quay.IO'], 'quay.io/org', 'Quay.IO'],
  ['longest prefix', ['quay.io', 'quay.io/org', 'quay.io/org/repo'], 'quay.io/org/repo', 'quay.io/org/repo'],
  [
    'longest prefix, any order',
    ['quay.io/org/repo', 'quay.io/org', 'quay.io'],
    'quay.io/org/repo',
    'quay.io/org/repo',
  ],
  ['namespace', ['quay.io', 'quay.io/org', 'quay.io/org/repo'], 'quay.io/org/else', 'quay.io/org'],
  ['whole components only', ['quay.io/org'], 'quay.io/organic/repo', undefined],
  ['back to the host', ['quay.io', 'quay.io/org'], 'quay.io/other/repo', 'quay.io'],
  ['a namespace is not the registry', ['quay.io/org'], 'quay.io', undefined],
  [
    'hub, as docker login writes it',
    ['https://index.docker.io/v1/'],
    'docker.io/library/nginx',
    'https://index.docker.io/v1/',
  ],
  ['hub, as podman login writes it', ['docker.io'], 'docker.io/library/nginx', 'docker.io'],
  ['hub, by its index', ['index.docker.io'], 'docker.io/library/nginx', 'index.docker.io'],
  ['hub, by its API', ['registry-1.docker.io'], 'docker.io/library/nginx', 'registry-1.docker.io'],
  ['hub, asked for by its index', ['docker.io'], 'index.docker.io/library/nginx', 'docker.io'],
  [
    'hub, plain before URL',
    ['https://index.docker.io/v1/', 'docker.io'],
    'docker.io/library/nginx',
    'docker.io',
  ],
  ['hub namespace', ['https://index.docker.io/v1/', 'docker.io/me'], 'docker.io/me/app', 'docker.io/me'],
  ['a URL', ['https://r.example'], 'r.example/app', 'https://r.example'],
  [
    'a URL with an old path',
    ['http://r.example:5000/v1/'],
    'r.example:5000/app',
    'http://r.example:5000/v1/',
  ],
  ['a URL with a new path', ['https://r.example/v2/'], 'r.example/app', 'https://r.example/v2/'],
  ['no scheme but a path of the API', ['r.example/v2'], 'r.example/app', 'r.example/v2'],
  ['glob', ['*.example.com'], 'r.example.com/app', '*.example.com'],
  ['glob, of one label only', ['*.example.com'], 'a.b.example.com/app', undefined],
  ['glob within a label', ['app*.k8s.io'], 'app-7.k8s.io/x', 'app*.k8s.io'],
  ['glob with a path', ['*.example.com/team'], 'r.example.com/team/app', '*.example.com/team'],
  ['glob with a port', ['*.example.com:5000'], 'r.example.com/app', undefined],
  ['exact before glob', ['*.example.com', 'r.example.com'], 'r.example.com/app', 'r.example.com'],
  ['a glob is no regular expression', ['r.exa.ple'], 'r.example/app', undefined],
];

test('which key of auths counts', async t => {
  for (const [what, keys, name, wanted] of lookups) {
    await t.test(what, async () => {
      using home = createHome();
      home.write(home.places.config, { auths: Object.fromEntries(keys.map(key => [key, auth('u', key)])) });
      const slash = name.indexOf('/');
      const [registry, repository] =
        slash === -1 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)];
      assert.equal(await home.find(registry, repository), wanted && `u:${wanted}`);
    });
  }
});

/** Where the table follows Kubernetes, which has globs, or is gentler about the spelling. */
const ours = new Set(['case of the host', 'no scheme but a path of the API', 'hub, asked for by its index']);

test('skopeo chooses the same key', { skip: requires({ tools: ['skopeo'] }) }, () => {
  using home = createHome();
  for (const [what, keys, name, wanted] of lookups) {
    if (ours.has(what) || keys.some(key => key.includes('*'))) continue;
    const path = home.write(home.at('auth.json'), {
      auths: Object.fromEntries(keys.map((key, index) => [key, auth(`user-${index}`, 'p')])),
    });
    const { stdout } = spawnSync(
      'skopeo',
      ['login', '--get-login', `--authfile=${path}`, name.replace(/:1$/, '')],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(stdout.trim(), wanted === undefined ? '' : `user-${keys.indexOf(wanted)}`, what);
  }
});

// docker/cli cli/config/configfile decodeAuth; containers/image decodeDockerAuth; Kubernetes pkg/credentialprovider.
const entries: readonly (readonly [what: string, entry: unknown, wanted: string | undefined])[] = [
  ['auth', auth('user', 'pass'), 'user:pass'],
  ['colons in the password', auth('user', 'a:b::c'), 'user:a:b::c'],
  ['not only ASCII', auth('usér', 'pä€'), 'usér:pä€'],
  ['no padding', { auth: base64('user:pass').replace(/=+$/, '') }, 'user:pass'],
  ['zeros after the password', auth('user', 'pass\0\0'), 'user:pass'],
  ['an empty password', auth('user', ''), 'user:'],
  ['user and password as fields', { username: 'user', password: 'pass', email: 'x@y' }, 'user:pass'],
  ['auth before the fields', { ...auth('user', 'pass'), username: 'other', password: 'other' }, 'user:pass'],
  ['identity token', { ...auth('<token>', ''), identitytoken: 'long' }, 'token long'],
  ['identity token alone', { identitytoken: 'long' }, 'token long'],
  ['an empty entry is a mark for a helper', {}, undefined],
  ['an empty auth', { auth: '' }, undefined],
  ['a user without a password', { username: 'user' }, undefined],
];

test('what an entry says', async t => {
  for (const [what, entry, wanted] of entries) {
    await t.test(what, async () => {
      using home = createHome();
      home.write(home.places.docker, { auths: { 'r.example': entry } });
      assert.equal(await home.find('r.example', 'app'), wanted);
    });
  }
});

// Kubernetes, "Docker config Secrets", and "Pull an Image from a Private Registry".
test('Kubernetes secrets in every form are auth files', async t => {
  const config = { auths: { 'r.example': auth('user', 'pass') } };
  const old = { 'https://r.example': { ...auth('user', 'pass'), email: 'a@b' } };
  const secret = (key: string, content: unknown) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x' },
    type: `kubernetes.io/${key.slice(1)}`,
    data: { [key]: base64(JSON.stringify(content)) },
  });
  const forms = {
    '.dockerconfigjson': config,
    '.dockercfg': old,
    'manifest of the one': secret('.dockerconfigjson', config),
    'manifest of the other': secret('.dockercfg', old),
    stringData: { kind: 'Secret', stringData: { '.dockerconfigjson': JSON.stringify(config) } },
  };
  for (const [what, content] of Object.entries(forms)) {
    await t.test(what, async () => {
      using home = createHome();
      const path = home.write(home.at('secret'), content);
      assert.equal(await home.find('r.example', 'app', path), 'user:pass');
      assert.equal(await home.find('s.example', 'app', path), undefined);
    });
  }
  await t.test('another secret', async () => {
    using home = createHome();
    const path = home.write(home.at('secret'), { kind: 'Secret', data: { password: base64('hunter2') } });
    assert.equal((await failure(home.find('r.example', '', path))).code, 'invalid');
  });
});

test('empty files, and files with other things in them, have no credentials', async () => {
  using home = createHome();
  for (const content of [
    '',
    ' \n',
    '{}',
    { psFormat: 'x' },
    { auths: null },
    { auths: {} },
    { HttpHeaders: { a: 'b' } },
  ]) {
    const path = home.write(home.at('auth.json'), content);
    assert.equal(await home.find('r.example', '', path), undefined);
  }
  assert.equal(await home.find('r.example', '', '/dev/null'), undefined);
  assert.equal(
    await home.find('constructor', '', home.write(home.at('auth.json'), { auths: {} })),
    undefined,
  );
});

test('a malformed file is an error with file and key, and never shows what is in it', async () => {
  using home = createHome();
  const secret = 'hunter2-hunter2';
  const contents: readonly (readonly [content: unknown, said: RegExp])[] = [
    [`{"auths": {"r.example": {"auth": "${secret}"`, /line 1, column \d+/],
    [`${secret}`, /not valid JSON/],
    [`{"auths": {}, ${secret}}`, /line 1/],
    [`apiVersion: v1\nkind: Secret\ndata:\n  x: ${secret}`, /not valid JSON/],
    [[secret], /not a table/],
    [{ auths: secret }, /auths is not a table/],
    [{ auths: { 'r.example': secret } }, /auths\."r\.example" is not a table/],
    [{ auths: { 'r.example': { auth: 7 } } }, /auths\."r\.example"\.auth is not a string/],
    [{ auths: { 'r.example': { auth: `${secret}!!` } } }, /auth is not base64/],
    [{ auths: { 'r.example': { auth: base64(secret) } } }, /user:password/],
    [{ auths: { 'r.example': { identitytoken: [secret] } } }, /identitytoken is not a string/],
    [{ credsStore: [secret] }, /credsStore is not a string/],
    [{ credHelpers: { 'r.example': [secret] } }, /credHelpers\."r\.example" is not a string/],
  ];
  for (const [content, said] of contents) {
    const path = home.write(home.places.config, content);
    const error = await failure(home.find('r.example', 'app'));
    assert.equal(error.code, 'invalid');
    assert.ok(error.message.includes(path), error.message);
    assert.match(error.message, said);
    const shown = allOf(error);
    for (const part of [secret, base64(secret), secret.slice(0, 8)]) assert.ok(!shown.includes(part), shown);
  }
  // An entry that nobody asks for harms nobody.
  assert.equal(
    await home.find(
      'fine.example',
      '',
      home.write(home.at('x'), { auths: { 'r.example': secret, 'fine.example': auth('u', 'p') } }),
    ),
    'u:p',
  );
});

test('a file that others can read is read', async () => {
  using home = createHome();
  home.write(home.places.config, { auths: { 'r.example': auth('u', 'p') } });
  chmodSync(home.places.config, 0o644);
  assert.equal(await home.find('r.example'), 'u:p');
});

test('a secret shows itself to nobody', () => {
  const secret = new Secret('hunter2');
  const credential: Credential = { kind: 'basic', username: 'u', password: secret };
  assert.equal(secret.reveal(), 'hunter2');
  const shown = [
    `${secret}`,
    JSON.stringify({ credential }),
    inspect(credential, { depth: 9, showHidden: true, customInspect: true }),
    inspect(credential, { customInspect: false, showHidden: true }),
    inspect(structuredClone({ ...secret })),
    Object.values(secret).join(),
    new ShaleError('internal', `${secret}`, { detail: { credential } }).message,
  ];
  for (const text of shown) assert.ok(!text.includes('hunter2'), text);
  assert.equal(`${secret}`, '[redacted]');
});

/** `docker-credential-NAME` programs on PATH that keep what they are given in a directory, and count their calls. */
function createHelpers(home: ReturnType<typeof createHome>) {
  const bin = home.at('bin');
  mkdirSync(bin, { recursive: true });
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  const write = (name: string, script: string) => {
    writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  const log = home.at('log');
  return {
    write,
    /** Answers, for every server. */
    answer: (name: string, user: string, secret: string) =>
      write(
        name,
        `read server\necho "$1 $server" >> ${log}\nprintf '{"ServerURL":"%s","Username":"${user}","Secret":"${secret}"}' "$server"`,
      ),
    /** One that keeps a single credential, as the protocol has it. */
    keep: (name: string) => {
      const kept = home.at(`kept-${name}`);
      write(
        name,
        `case $1 in
store) cat > ${kept} ;;
erase) read server; echo "erase $server" >> ${log}; rm -f ${kept} ;;
get) read server; if test -f ${kept} && grep -q "\\"ServerURL\\":\\"$server\\"" ${kept}; then cat ${kept}
  else echo "credentials not found in native keychain"; exit 1; fi ;;
esac`,
      );
      return kept;
    },
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
    [Symbol.dispose]() {
      process.env.PATH = path;
    },
  };
}

// docker-credential-helpers, README "Development"; docker/cli getConfiguredCredentialStore.
test('helpers: credHelpers of the registry, then credsStore, then the entries', async () => {
  using home = createHome();
  using helpers = createHelpers(home);
  helpers.answer('own', 'own', 's');
  helpers.answer('all', 'all', 's');
  helpers.answer('cloud', '<token>', 'refresh');
  helpers.write('empty', 'echo "credentials not found in native keychain"; exit 1');
  const auths = {
    'r.example': auth('file', 'p'),
    'e.example': auth('file', 'p'),
    'f.example': auth('file', 'p'),
  };
  home.write(home.places.docker, {
    auths,
    credsStore: 'all',
    credHelpers: {
      'r.example': 'own',
      'cloud.example': 'cloud',
      'e.example': 'empty',
      'f.example': '',
      'docker.io': 'own',
    },
  });
  assert.equal(await home.find('r.example', 'x'), 'own:s');
  assert.equal(await home.find('other.example', 'x'), 'all:s');
  assert.equal(await home.find('cloud.example', 'x'), 'token refresh');
  assert.equal(
    await home.find('e.example', 'x'),
    'file:p',
    'a helper that has nothing leaves it to the entries',
  );
  assert.equal(await home.find('f.example', 'x'), 'file:p', 'an empty name means this file');
  assert.equal(await home.find('docker.io', 'library/x'), 'own:s');
  assert.deepEqual(helpers.calls(), [
    'get r.example',
    'get other.example',
    'get cloud.example',
    'get docker.io',
  ]);
});

test('helpers know Docker’s own registry by its old address', async () => {
  using home = createHome();
  using helpers = createHelpers(home);
  helpers.answer('all', 'u', 's');
  home.write(home.places.docker, { credsStore: 'all' });
  assert.equal(await home.find('docker.io', 'library/nginx'), 'u:s');
  home.write(home.places.docker, { credHelpers: { 'https://index.docker.io/v1/': 'all' } });
  assert.equal(await home.find('docker.io', 'library/nginx'), 'u:s');
  assert.deepEqual(helpers.calls(), ['get https://index.docker.io/v1/', 'get https://index.docker.io/v1/']);
});

test('a helper is asked once for a registry, by however many', async () => {
  using home = createHome();
  using helpers = createHelpers(home);
  helpers.answer('all', 'u', 's');
  home.write(home.places.docker, { credsStore: 'all' });
  const store = openCredentials({ variable: home.variable });
  const found = await Promise.all(['a', 'b', 'c'].map(name => store.find('r.example', name)));
  assert.deepEqual(found.map(show), ['u:s', 'u:s', 'u:s']);
  assert.equal(show(await store.find('r.example', 'd')), 'u:s');
  assert.equal(helpers.calls().length, 1);
});

test('helpers that fail are errors that name helper, file and remedy, and quote no secret', async t => {
  const cases: readonly (readonly [
    what: string,
    script: string | undefined,
    problem: string,
    said: RegExp,
  ])[] = [
    ['missing', undefined, 'missing', /docker-credential-broken.*is not installed/],
    ['failing', 'echo "no session bus" >&2; exit 1', 'failed', /failed with 1 at get: no session bus/],
    [
      'failing with an answer',
      'echo \'{"Username":"u","Secret":"hunter2"}\'; exit 1',
      'failed',
      /failed with 1/,
    ],
    ['killed', 'kill -9 $$', 'failed', /SIGKILL/],
    ['silent', 'true', 'malformed', /did not answer/],
    ['no JSON', 'echo hunter2', 'malformed', /did not answer/],
    ['other JSON', 'echo \'{"Username":"u","Secret":["hunter2"]}\'', 'malformed', /did not answer/],
    ['slow', 'sleep 5', 'timeout', /in time/],
    ['endless', 'yes hunter2', 'failed', /could not be run/],
  ];
  for (const [what, script, problem, said] of cases) {
    await t.test(what, async () => {
      using home = createHome();
      using helpers = createHelpers(home);
      if (script !== undefined) helpers.write('broken', script);
      const path = home.write(home.places.docker, { credHelpers: { 'r.example': 'broken' } });
      const timeout = what === 'slow' ? 200 : 20_000;
      const store = openCredentials({ variable: home.variable, helperTimeout: timeout });
      const error = await failure(store.find('r.example', 'app'));
      assert.equal(error.code, 'unauthenticated');
      assert.equal(error.detail.problem, problem);
      assert.equal(error.detail.helper, 'docker-credential-broken');
      assert.match(error.message, said);
      assert.ok(error.message.includes(path) && error.hint !== undefined);
      assert.ok(!allOf(error).includes('hunter2'), allOf(error));
    });
  }
});

test('a helper’s name cannot be a path or an option', async () => {
  using home = createHome();
  for (const name of ['../../tmp/evil', '/bin/sh', 'a b', '-x', 'a\0b', '.', 'ä']) {
    home.write(home.places.docker, { credHelpers: { 'r.example': name } });
    assert.equal((await failure(home.find('r.example'))).code, 'invalid', name);
  }
});

const basic = (username: string, password: string): Credential => ({
  kind: 'basic',
  username,
  password: new Secret(password),
});
const mode = (path: string) => statSync(path).mode % 0o1000;
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

test('storing makes a file of one’s own, where nobody else reads', async () => {
  using home = createHome();
  const options = { variable: home.variable };
  assert.equal(await storeCredential('r.example', basic('u', 'p:q'), options), home.places.config);
  assert.equal(mode(home.places.config), 0o600);
  assert.equal(mode(dirname(home.places.config)), 0o700);
  assert.equal(await home.find('r.example', 'x'), 'u:p:q');
  assert.deepEqual(json(home.places.config), { auths: { 'r.example': auth('u', 'p:q') } });
});

test('storing goes into the first file that is there, and keeps what else it says', async () => {
  using home = createHome();
  const options = { variable: home.variable };
  const before = {
    HttpHeaders: { X: 'y' },
    psFormat: 'z',
    auths: { 'o.example': { ...auth('o', 'o'), email: 'e' } },
  };
  home.write(home.places.docker, before);
  chmodSync(home.places.docker, 0o644);
  assert.equal(await storeCredential('r.example', basic('u', 'p'), options), home.places.docker);
  assert.deepEqual(json(home.places.docker), {
    ...before,
    auths: { ...before.auths, 'r.example': auth('u', 'p') },
  });
  assert.equal(mode(home.places.docker), 0o600);
  home.write(home.places.runtime, '');
  assert.equal(await storeCredential('r.example', basic('u2', 'p'), options), home.places.runtime);
  assert.equal(await home.find('r.example'), 'u2:p');
  const given = home.at('deep/er/given.json');
  assert.equal(await storeCredential('r.example', basic('u3', 'p'), { ...options, authFile: given }), given);
  assert.equal(mode(given), 0o600);
  home.variables.REGISTRY_AUTH_FILE = given;
  assert.equal(await home.find('r.example'), 'u3:p');
});

test('storing replaces every other name of the registry, but no namespace', async () => {
  using home = createHome();
  const options = { variable: home.variable };
  home.write(home.places.docker, {
    auths: {
      'docker.io': auth('a', 'a'),
      'https://index.docker.io/v1/': auth('b', 'b'),
      'docker.io/me': auth('c', 'c'),
    },
  });
  await storeCredential('docker.io', basic('u', 'p'), options);
  assert.deepEqual(json(home.places.docker).auths, {
    'docker.io/me': auth('c', 'c'),
    'https://index.docker.io/v1/': auth('u', 'p'),
  });
  const other = home.at('auth.json');
  await storeCredential('docker.io', basic('u', 'p'), { ...options, authFile: other });
  assert.deepEqual(json(other).auths, { 'docker.io': auth('u', 'p') }, 'as podman login writes it');
});

test('an identity token survives the file', async () => {
  using home = createHome();
  const options = { variable: home.variable };
  await storeCredential('r.example', { kind: 'identity', token: new Secret('refresh') }, options);
  assert.equal(await home.find('r.example'), 'token refresh');
});

test('a symlink stays, and what it names is replaced', async () => {
  using home = createHome();
  const real = home.write(home.at('dotfiles/auth.json'), { auths: {} });
  mkdirSync(dirname(home.places.config), { recursive: true });
  symlinkSync(real, home.places.config);
  await storeCredential('r.example', basic('u', 'p'), { variable: home.variable });
  assert.deepEqual(json(real).auths, { 'r.example': auth('u', 'p') });
  assert.ok(statSync(home.places.config).ino === statSync(real).ino);
});

test('a malformed file and a secret are not overwritten', async () => {
  using home = createHome();
  for (const [content, code] of [
    ['{', 'invalid'],
    [{ kind: 'Secret', data: { '.dockercfg': base64('{}') } }, 'unsupported'],
  ] as const) {
    const path = home.write(home.at('file'), content);
    const before = readFileSync(path, 'utf8');
    const error = await failure(
      storeCredential('r.example', basic('u', 'p'), { variable: home.variable, authFile: path }),
    );
    assert.equal(error.code, code);
    assert.equal(readFileSync(path, 'utf8'), before);
  }
});

test('storing and removing go through the helper that the file names', async () => {
  using home = createHome();
  using helpers = createHelpers(home);
  const kept = helpers.keep('keep');
  home.write(home.places.docker, { credsStore: 'keep' });
  const options = { variable: home.variable };
  assert.equal(await storeCredential('r.example', basic('u', 'p"\\'), options), 'docker-credential-keep');
  assert.deepEqual(json(kept), { ServerURL: 'r.example', Username: 'u', Secret: 'p"\\' });
  assert.deepEqual(json(home.places.docker), { credsStore: 'keep' }, 'the file holds nothing of it');
  assert.equal(await home.find('r.example'), 'u:p"\\');
  assert.deepEqual(await removeCredential('r.example', options), ['docker-credential-keep']);
  assert.ok(!existsSync(kept));
  assert.deepEqual(await removeCredential('r.example', options), []);
  await storeCredential('r.example', { kind: 'identity', token: new Secret('t') }, options);
  assert.equal(await home.find('r.example'), 'token t');
});

test('a helper that cannot store is an error without the secret', async () => {
  using home = createHome();
  using helpers = createHelpers(home);
  helpers.write('loud', 'echo "cannot store: $(cat)"; exit 1');
  home.write(home.places.docker, { credsStore: 'loud' });
  const error = await failure(
    storeCredential('r.example', basic('u', 'hunter2'), { variable: home.variable }),
  );
  assert.equal(error.code, 'unauthenticated');
  assert.ok(!allOf(error).includes('hunter2'), allOf(error));
});

test('removing looks into every file, or into the one that was named', async () => {
  using home = createHome();
  const options = { variable: home.variable };
  const fill = () => {
    const auths = {
      'r.example': auth('u', 'p'),
      'https://r.example/v1/': auth('u', 'p'),
      'r.example/ns': auth('n', 'n'),
    };
    for (const path of Object.values(home.places)) home.write(path, { auths, other: 1 });
  };
  fill();
  assert.deepEqual(await removeCredential('r.example', options), Object.values(home.places));
  for (const path of Object.values(home.places)) {
    assert.deepEqual(json(path), { auths: { 'r.example/ns': auth('n', 'n') }, other: 1 });
    assert.equal(mode(path), 0o600);
  }
  assert.deepEqual(await removeCredential('r.example', options), []);
  fill();
  const authFile = home.places.config;
  assert.deepEqual(await removeCredential('r.example', { ...options, authFile }), [authFile]);
  assert.equal(Object.keys(json(home.places.docker).auths as object).length, 3);
  assert.deepEqual(await removeCredential('r.example', { ...options, authFile: home.at('none') }), []);
});
