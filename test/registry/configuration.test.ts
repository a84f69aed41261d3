import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ShaleError } from '../../src/error/index.ts';
import { parseDigest } from '../../src/oci/index.ts';
import { isLoopback } from '../../src/registry/configuration/authority.ts';
import {
  type Endpoint,
  type EndpointOptions,
  findEndpoints,
} from '../../src/registry/configuration/index.ts';
import { findCertsDirectories, findRegistriesFiles } from '../../src/registry/configuration/place.ts';
import { createScratch } from '../host/scratch.ts';

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const certificate = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const key = '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n';

/** Configuration of its own; nothing of the machine's counts. */
function createConfiguration(files: Readonly<Record<string, string>> = {}) {
  const scratch = createScratch();
  const write = (name: string, text: string) => {
    mkdirSync(dirname(scratch.at(name)), { recursive: true });
    writeFileSync(scratch.at(name), text);
    return scratch.at(name);
  };
  write('registries.conf', '');
  for (const [name, text] of Object.entries(files)) write(name, text);
  const options: EndpointOptions = {
    registriesConf: scratch.at('registries.conf'),
    certsDirs: [scratch.at('first'), scratch.at('certs.d')],
  };
  const find = (name: string, more: EndpointOptions = {}) => {
    const [, registry = '', repository = '', tag, hasDigest] =
      /^([^/]+)\/?([^:@]*)(?::([^@]+))?(@)?$/.exec(name) ?? [];
    return findEndpoints(
      { registry, repository, tag, digest: hasDigest ? digest : undefined },
      { ...options, ...more },
    );
  };
  return { at: scratch.at, write, find, [Symbol.dispose]: () => scratch[Symbol.dispose]() };
}

/** An endpoint in one line: origin, prefix, repository, then what is special. */
function show(endpoint: Endpoint): string {
  const { origin, prefix, repository, mirror, insecure, namespace, capabilities } = endpoint;
  const notes = [
    mirror ? 'mirror' : '',
    insecure ? 'insecure' : '',
    namespace === undefined ? '' : `ns=${namespace}`,
    capabilities.size === 3 ? '' : [...capabilities].join('+'),
  ].filter(note => note !== '');
  return [`${origin}${prefix} ${repository}`, ...notes].join(' ');
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

test('without configuration there is the registry itself', async () => {
  using place = createConfiguration();
  const [hub, ...none] = await place.find('docker.io/library/nginx:latest');
  assert.deepEqual(none, []);
  assert.equal(hub!.origin, 'https://registry-1.docker.io');
  assert.equal(hub!.registry, 'docker.io');
  assert.equal(show(hub!), 'https://registry-1.docker.io/v2 library/nginx');
  assert.deepEqual((await place.find('ghcr.io')).map(show), ['https://ghcr.io/v2 ']);
});

// dockerd, "Insecure registries": 127.0.0.0/8 counts as insecure by itself.
test('what is insecure without being named, and what is not', async () => {
  for (const name of ['localhost', 'LOCALHOST:5000', '127.0.0.1', '127.1.2.3:80', '[::1]', '[::1]:5000']) {
    assert.ok(isLoopback(name), name);
  }
  const others = [
    'localhost.example',
    'notlocalhost',
    '128.0.0.1',
    '127.0.0.1.example',
    '10.0.0.1:5000',
    '[::2]',
    '0.0.0.0',
  ];
  for (const name of others) assert.ok(!isLoopback(name), name);
  using place = createConfiguration();
  assert.deepEqual((await place.find('localhost:5000/app')).map(show), [
    'https://localhost:5000/v2 app insecure',
  ]);
  assert.deepEqual((await place.find('127.0.0.1:80/app')).map(show), ['http://127.0.0.1:80/v2 app insecure']);
  assert.deepEqual((await place.find('r.example:80/app')).map(show), ['https://r.example:80/v2 app']);
});

test('insecure by name means this name', async () => {
  using place = createConfiguration();
  const named = { insecureRegistries: ['R.example:5000', 'plain.example'] };
  const insecure = async (name: string) => (await place.find(`${name}/app`, named))[0]!.insecure;
  assert.equal(await insecure('r.example:5000'), true);
  assert.equal(await insecure('plain.example'), true);
  assert.equal(await insecure('r.example'), false);
  assert.equal(await insecure('r.example:5001'), false);
  assert.equal(await insecure('x.r.example:5000'), false);
  assert.equal(await insecure('plain.example:5000'), false);
});

test('names that are none do not become paths', async () => {
  for (const registry of ['..', 'a/b', '', '-x', 'a b', 'a\0', 'user@host', 'host:port']) {
    assert.equal((await failure(findEndpoints({ registry, repository: 'x' }, {}))).code, 'invalid', registry);
  }
});

// containers-registries.conf(5), the section "EXAMPLE".
const manual = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
`;

test('the example of the manual', async () => {
  using place = createConfiguration({ 'registries.conf': manual });
  assert.deepEqual((await place.find('example.com/foo/image:latest')).map(show), [
    'https://example-mirror-0.local/v2 mirror-for-foo/image mirror pull+resolve',
    'https://example-mirror-1.local/v2 mirrors/foo/image mirror insecure pull+resolve',
    'https://internal-registry-for-example.com/v2 bar/image pull+resolve',
    'https://example.com/v2 foo/image push',
  ]);
  assert.deepEqual((await place.find('registry.com/image:latest')).map(show), [
    'https://mirror.registry.com/v2 image mirror pull+resolve',
    'https://registry.com/v2 image',
  ]);
  assert.deepEqual((await place.find('example.com/foobar:latest')).map(show), [
    'https://example.com/v2 foobar',
  ]);
  const [mirror] = await place.find('example.com/foo/image:latest');
  assert.equal(mirror!.registry, 'example-mirror-0.local', 'a mirror has credentials of its own');
});

// containers-registries.conf(5), "Choosing a [[registry]] TOML table".
const choices: readonly (readonly [what: string, name: string, location: string])[] = [
  ['a registry', 'r.example/x/y', 'one.example/x/y'],
  ['the longest prefix', 'r.example/ns/y', 'two.example/y'],
  ['a whole component', 'r.example/nsx/y', 'one.example/nsx/y'],
  ['a repository', 'r.example/ns/repo/deep', 'three.example/r/deep'],
  ['a tag', 'r.example/ns/repo:1', 'four.example/r'],
  ['not a tag that goes on', 'r.example/ns/repo:12', 'three.example/r'],
  ['a port is another registry', 'r.example:5000/ns/y', 'r.example:5000/ns/y'],
  ['a subdomain', 'a.b.wild.example/x', 'five.example/x'],
  ['the domain itself is none', 'wild.example/x', 'wild.example/x'],
  ['a wildcard without location', 'a.kept.example/x', 'a.kept.example/x'],
  ['a prefix in full', 'docker.io/library/nginx', 'six.example/nginx'],
  ['slashes at the end', 'slash.example/x', 'seven.example/x'],
];

test('which table counts, and what it makes of the name', async t => {
  using place = createConfiguration({
    'registries.conf': `
[[registry]]
prefix = "r.example"
location = "one.example"
[[registry]]
prefix = "r.example/ns/repo"
location = "three.example/r"
[[registry]]
prefix = "r.example/ns/repo:1"
location = "four.example/r:1"
[[registry]]
prefix = "r.example/ns"
location = "two.example"
[[registry]]
prefix = "*.wild.example"
location = "five.example"
[[registry]]
prefix = "*.kept.example"
[[registry]]
prefix = "docker.io/library"
location = "six.example"
[[registry]]
prefix = "slash.example/"
location = "seven.example/"
`,
  });
  for (const [what, name, location] of choices) {
    await t.test(what, async () => {
      const read = (await place.find(name)).filter(({ capabilities }) => capabilities.has('pull'));
      assert.deepEqual(
        read.map(({ registry, repository }) => `${registry}/${repository}`),
        [location],
      );
    });
  }
});

test('a location cannot lead to another tag', async () => {
  using place = createConfiguration({
    'registries.conf': '[[registry]]\nprefix = "r.example/a:1"\nlocation = "r.example/a:2"',
  });
  assert.equal((await failure(place.find('r.example/a:1'))).code, 'unsupported');
  assert.equal((await place.find('r.example/a:3')).length, 1);
});

// containers-registries.conf(5), `pull-from-mirror` and `mirror-by-digest-only`.
test('mirrors for digests, for tags, for both', async () => {
  using place = createConfiguration({
    'registries.conf': `
[[registry]]
location = "r.example"
[[registry.mirror]]
location = "all.example"
pull-from-mirror = "all"
[[registry.mirror]]
location = "digest.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tag.example"
pull-from-mirror = "tag-only"
[[registry]]
location = "d.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
`,
  });
  const registries = async (name: string) => (await place.find(name)).map(({ registry }) => registry);
  assert.deepEqual(await registries('r.example/x:1'), ['all.example', 'tag.example', 'r.example']);
  assert.deepEqual(await registries('r.example/x@'), ['all.example', 'digest.example', 'r.example']);
  assert.deepEqual(await registries('d.example/x:1'), ['d.example']);
  assert.deepEqual(await registries('d.example/x:1@'), ['m.example', 'd.example']);
});

test('a blocked name is denied, with the file that says so', async () => {
  const file = '[[registry]]\nlocation = "r.example"\n[[registry]]\nprefix = "r.example/bad"\nblocked = true';
  using place = createConfiguration({ 'registries.conf': file });
  const error = await failure(place.find('r.example/bad/app'));
  assert.equal(error.code, 'denied');
  assert.ok(error.message.includes(place.at('registries.conf')) && error.hint !== undefined);
  assert.equal((await place.find('r.example/good')).length, 1);
});

test('a registry that is configured secure is so even on this machine', async () => {
  using place = createConfiguration({
    'registries.conf':
      '[[registry]]\nlocation = "localhost:5000"\ninsecure = false\n[[registry]]\nlocation = "r.example"\ninsecure = true',
  });
  assert.equal((await place.find('localhost:5000/x'))[0]!.insecure, false);
  assert.equal((await place.find('r.example/x'))[0]!.insecure, true);
});

// containers-registries.conf(5), "VERSION 1 FORMAT".
test('the old form', async () => {
  using place = createConfiguration({
    'registries.conf': `
[registries.search]
registries = ['registry1.com', 'registry2.com']
[registries.insecure]
registries = ['registry3.com']
[registries.block]
registries = ['registry.untrusted.com', 'registry.unsafe.com']
`,
  });
  assert.equal((await place.find('registry1.com/x'))[0]!.insecure, false);
  assert.equal((await place.find('registry3.com/x'))[0]!.insecure, true);
  assert.equal((await failure(place.find('registry.unsafe.com/x'))).code, 'denied');
});

// containers-registries.conf.d(5).
test('drop-ins come later, by name, and replace tables of the same prefix whole', async () => {
  const mirror = (name: string) =>
    `[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\nlocation = "${name}"\n`;
  using place = createConfiguration({
    'registries.conf': `${mirror('main.example')}[[registry]]\nlocation = "s.example"\ninsecure = true`,
    'registries.conf.d/20-b.conf': mirror('b.example'),
    'registries.conf.d/10-a.conf': mirror('a.example'),
    'registries.conf.d/30.conf.off': mirror('off.example'),
  });
  assert.deepEqual(
    (await place.find('r.example/x')).map(({ registry }) => registry),
    ['b.example', 'r.example'],
  );
  assert.equal((await place.find('s.example/x'))[0]!.insecure, true);
});

test('which files count', async () => {
  using place = createConfiguration({ 'own/.config/containers/registries.conf': '' });
  const of = (variables: Record<string, string>) => findRegistriesFiles(undefined, name => variables[name]);
  const system = '/etc/containers/registries.conf';
  const own = (home: string) => `${home}/.config/containers/registries.conf`;
  assert.deepEqual(await of({ HOME: '/h' }), {
    main: system,
    given: false,
    dropIns: [`${system}.d`, `${own('/h')}.d`],
  });
  const home = place.at('own');
  assert.deepEqual(await of({ HOME: home }), { main: own(home), given: false, dropIns: [`${own(home)}.d`] });
  const named = await of({ HOME: home, CONTAINERS_REGISTRIES_CONF: '/x.conf' });
  assert.deepEqual([named.main, named.given], ['/x.conf', true]);
  assert.deepEqual(
    findCertsDirectories(name => ({ HOME: '/h' })[name]),
    [
      '/h/.config/containers/certs.d',
      '/etc/containers/certs.d',
      '/etc/docker/certs.d',
      '/etc/containerd/certs.d',
    ],
  );
  assert.equal(
    (await failure(place.find('r.example/x', { registriesConf: '/nowhere/x.conf' }))).code,
    'not-found',
  );
});

test('each error names file and key', async t => {
  const table = '[[registry]]\nlocation = "r.example"\n';
  const files: readonly (readonly [text: string, said: RegExp])[] = [
    ['[[registry]\n', /line 1, column \d+/],
    ['x = "hunter2\n', /line 1/],
    ['registry = "x"', /registry is not a list of tables/],
    ['registry = ["x"]', /registry\[0\] is not a table/],
    ['[[registry]]\ninsecure = true', /registry\[0\]\.location is missing/],
    [`${table}[[registry]]\nlocation = 7`, /registry\[1\]\.location is not a string/],
    [`${table}insecure = "yes"`, /registry\[0\]\.insecure is not true or false/],
    ['[[registry]]\nlocation = "https://r.example"', /registry\[0\]\.location has a scheme/],
    ['[[registry]]\nprefix = "a.*.example"\nlocation = "x.example"', /registry\[0\]\.prefix has a \*/],
    ['[[registry]]\nprefix = "*.example/x"', /registry\[0\]\.prefix has a \*/],
    [`${table}pull-from-mirror = "all"`, /registry\[0\]\.pull-from-mirror is for mirrors/],
    [`${table}[[registry.mirror]]\ninsecure = true`, /registry\[0\]\.mirror\[0\]\.location is missing/],
    [
      `${table}[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "some"`,
      /mirror\[0\]\.pull-from-mirror is none of/,
    ],
    [
      `${table}mirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "all"`,
      /mirror\[0\]\.pull-from-mirror cannot be set beside/,
    ],
    [`${table}[registries.block]\nregistries = ["x"]`, /registries is of the old form/],
    ['[registries.block]\nregistries = "x"', /registries\.block\.registries is not a list of strings/],
  ];
  for (const [text, said] of files) {
    await t.test(text.replace(/\s+/g, ' '), async () => {
      using place = createConfiguration({ 'registries.conf': text });
      const error = await failure(place.find('any.example/x'));
      assert.equal(error.code, 'invalid');
      assert.ok(error.message.includes(place.at('registries.conf')), error.message);
      assert.match(error.message, said);
      assert.ok(!inspect(error, { depth: 9 }).includes('hunter2'));
    });
  }
  using place = createConfiguration({ 'registries.conf.d/a.conf': '[registries.block]\nregistries = ["x"]' });
  assert.match(
    (await failure(place.find('any.example/x'))).message,
    /a\.conf: registries is of the old form/,
  );
});

// containerd, "Registry Configuration - Examples".
test('the examples of containerd', async () => {
  using place = createConfiguration({
    'certs.d/docker.io/hosts.toml': `
server = "https://registry-1.docker.io"
[host."https://public-mirror.example.com"]
  capabilities = ["pull"]
[host."https://docker-mirror.internal"]
  capabilities = ["pull", "resolve"]
  ca = "docker-mirror.crt"
`,
    'certs.d/docker.io/docker-mirror.crt': certificate,
    'certs.d/_default/hosts.toml':
      '[host."https://registry.example.com"]\n  capabilities = ["pull", "resolve"]',
    'certs.d/only.example/hosts.toml': 'server = "https://registry.example.com"',
    'certs.d/private.example/hosts.toml':
      '[host."http://192.168.31.250:5000"]\n  capabilities = ["pull", "resolve", "push"]\n  skip_verify = true',
  });
  const hub = await place.find('docker.io/library/nginx:1');
  assert.deepEqual(hub.map(show), [
    'https://public-mirror.example.com/v2 library/nginx mirror ns=docker.io pull',
    'https://docker-mirror.internal/v2 library/nginx mirror ns=docker.io pull+resolve',
    'https://registry-1.docker.io/v2 library/nginx',
  ]);
  assert.deepEqual(
    hub.map(({ registry }) => registry),
    ['public-mirror.example.com', 'docker-mirror.internal', 'docker.io'],
  );
  assert.deepEqual(
    hub.map(({ tls }) => tls.ca.length),
    [0, 1, 1],
    'certificates beside a hosts.toml are the registry’s',
  );
  assert.deepEqual((await place.find('quay.io/org/app')).map(show), [
    'https://registry.example.com/v2 org/app mirror ns=quay.io pull+resolve',
    'https://quay.io/v2 org/app',
  ]);
  assert.deepEqual((await place.find('only.example/app')).map(show), [
    'https://registry.example.com/v2 app ns=only.example',
  ]);
  assert.deepEqual((await place.find('private.example/app')).map(show), [
    'http://192.168.31.250:5000/v2 app mirror insecure ns=private.example',
    'https://private.example/v2 app',
  ]);
});

// containerd, "hosts.toml Content Description - Detail".
test('paths, headers, certificates and keys of a hosts.toml', async () => {
  using place = createConfiguration({
    'certs.d/r.example_5000_/hosts.toml': `
server = "r.example:5000"
ca = ["root.pem", "other/root.pem"]
[header]
  X-Custom = "a"
[host."https://bak.example/us"]
  capabilities = ["Pull", "referrers"]
  client = [["c.cert", "c.key"], ["both.pem", ""]]
  [host."https://bak.example/us".header]
    x-custom-2 = ["value1", "value2"]
[host."https://odd.example/v2/upstream"]
  override_path = true
  client = "both.pem"
[host."https://odd.example/v2"]
  client = ["both.pem"]
[host."https://bare.example"]
  override_path = true
  skip_verify = true
  dial_timeout = "1s"
`,
    'certs.d/r.example:5000/hosts.toml': 'server = "https://unused.example"',
    'certs.d/_default/hosts.toml': 'server = "https://unused.example"',
    'certs.d/r.example_5000_/root.pem': certificate,
    'certs.d/r.example_5000_/other/root.pem': certificate,
    'certs.d/r.example_5000_/c.cert': certificate,
    'certs.d/r.example_5000_/c.key': key,
    'certs.d/r.example_5000_/both.pem': certificate + key,
  });
  const found = await place.find('r.example:5000/app');
  assert.deepEqual(found.map(show), [
    'https://bak.example/us/v2 app mirror ns=r.example:5000 pull',
    'https://odd.example/v2/upstream app mirror ns=r.example:5000',
    'https://odd.example/v2 app mirror ns=r.example:5000',
    'https://bare.example app mirror insecure ns=r.example:5000',
    'https://r.example:5000/v2 app',
  ]);
  const [bak, odd, , , own] = found;
  assert.deepEqual(bak!.headers, { 'x-custom-2': 'value1, value2' });
  assert.deepEqual(bak!.tls, { ca: [], cert: certificate, key });
  assert.deepEqual(odd!.tls, { ca: [], cert: certificate + key, key: certificate + key });
  assert.deepEqual(own!.tls, { ca: [certificate, certificate] });
  assert.deepEqual(own!.headers, { 'X-Custom': 'a' });
});

test('skip_verify for all registries at once is not insecure by name', async () => {
  using place = createConfiguration({ 'certs.d/_default/hosts.toml': 'skip_verify = true' });
  assert.equal((await place.find('any.example/x'))[0]!.insecure, false);
  place.write('certs.d/named.example/hosts.toml', 'skip_verify = true');
  assert.equal((await place.find('named.example/x'))[0]!.insecure, true);
});

test('both configurations together: first one’s mirrors, then the other’s', async () => {
  using place = createConfiguration({
    'registries.conf': manual,
    'certs.d/registry.com/hosts.toml': '[host."https://third.example"]',
  });
  assert.deepEqual(
    (await place.find('registry.com/image')).map(({ registry }) => registry),
    ['mirror.registry.com', 'third.example', 'registry.com'],
  );
});

test('a hosts.toml that is wrong names file and key', async t => {
  const files: readonly (readonly [text: string, said: RegExp])[] = [
    ['server = ', /line 1/],
    ['server = 7', /server is not a string/],
    ['server = "https://"', /server is not a URL/],
    ['server = "ftp://x"', /server is neither https nor http/],
    ['[host."https://u:hunter2@x"]', /has a URL with a user/],
    ['host = 7', /host is not a table/],
    ['[host."https://m"]\ncapabilities = ["fly"]', /host\."https:\/\/m"\.capabilities has "fly"/],
    ['[host."https://m"]\nskip_verify = "no"', /host\."https:\/\/m"\.skip_verify is not true or false/],
    ['ca = 7', /ca is not a list of strings/],
    ['client = 7', /client is neither/],
    ['client = [["a", "b", "c"]]', /client is neither/],
    ['[header]\n"a b" = "x"', /header\."a b" is not the name of a header/],
    ['[header]\na = "hunter2\\r\\nb: c"', /header\.a has a line break/],
    ['[header]\na = "hunter2"\nb = 7', /header\.b is not a list of strings/],
  ];
  for (const [text, said] of files) {
    await t.test(text.replace(/\s+/g, ' '), async () => {
      using place = createConfiguration({ 'certs.d/r.example/hosts.toml': text });
      const error = await failure(place.find('r.example/x'));
      assert.equal(error.code, 'invalid');
      assert.ok(error.message.includes(place.at('certs.d/r.example/hosts.toml')), error.message);
      assert.match(error.message, said);
      assert.ok(!`${inspect(error, { depth: 9 })}${JSON.stringify(error.detail)}`.includes('hunter2'));
    });
  }
  await t.test('files that it names', async () => {
    using place = createConfiguration({ 'certs.d/r.example/hosts.toml': 'ca = "gone.pem"' });
    assert.equal((await failure(place.find('r.example/x'))).code, 'not-found');
    place.write('certs.d/r.example/gone.pem', 'no PEM');
    assert.equal((await failure(place.find('r.example/x'))).code, 'invalid');
  });
});

// containers-certs.d(5); Docker, "Verify repository client with certificates".
test('directories of certificates', async () => {
  using place = createConfiguration({
    'certs.d/r.example:5000/ca.crt': certificate,
    'certs.d/r.example:5000/b.crt': certificate,
    'certs.d/r.example:5000/client.cert': certificate,
    'certs.d/r.example:5000/client.key': key,
    'certs.d/r.example:5000/README': 'no certificate',
    'first/both.example/ca.crt': `${certificate}# first`,
    'certs.d/both.example/ca.crt': certificate,
    'first/empty.example/README': '',
    'certs.d/empty.example/ca.crt': certificate,
  });
  const tls = async (name: string, more?: EndpointOptions) => (await place.find(`${name}/app`, more))[0]!.tls;
  assert.deepEqual(await tls('r.example:5000'), { ca: [certificate, certificate], cert: certificate, key });
  assert.deepEqual(await tls('r.example'), { ca: [] });
  assert.deepEqual(await tls('both.example'), { ca: [`${certificate}# first`] });
  assert.deepEqual(await tls('empty.example'), { ca: [certificate] });
  const certDir = place.at('certs.d/r.example:5000');
  assert.equal((await tls('other.example', { certDir })).ca.length, 2, '--cert-dir is for every registry');
  assert.deepEqual(await tls('both.example', { certDir: place.at('first/empty.example') }), { ca: [] });
});

test('half a client certificate is an error that names the other half', async () => {
  using place = createConfiguration({
    'certs.d/r.example/c.cert': certificate,
    'certs.d/s.example/c.key': key,
  });
  assert.match((await failure(place.find('r.example/x'))).message, /c\.cert needs .*c\.key/);
  assert.match((await failure(place.find('s.example/x'))).message, /c\.key needs .*c\.cert/);
  assert.equal((await failure(place.find('t.example/x', { certDir: place.at('gone') }))).code, 'not-found');
});

test('an endpoint shows neither key nor headers', async () => {
  using place = createConfiguration({
    'certs.d/r.example/hosts.toml': 'client = "c.pem"\n[header]\nAuthorization = "Bearer hunter2"',
    'certs.d/r.example/c.pem': certificate + key,
  });
  const [endpoint] = await place.find('r.example/x');
  assert.equal(endpoint!.headers.Authorization, 'Bearer hunter2');
  const shown = `${inspect(endpoint, { depth: 9 })}${JSON.stringify(endpoint)}${endpoint}`;
  assert.ok(!/hunter2|PRIVATE|c2VjcmV0/.test(shown), shown);
  assert.match(shown, /Authorization/);
});
