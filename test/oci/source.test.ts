import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReference, parseReference, parseSource, parseTarget } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

/** The readings as `path`, `path|name` or `path|name|digest`. */
const read = (text: string) => {
  const source = parseSource(text);
  assert.ok('readings' in source, text);
  return source.readings.map(({ path, name, digest }) =>
    [path, name ?? (digest && ''), digest].filter(part => part !== undefined).join('|'),
  );
};

test('a source is read in every way its colons allow, longest path first', () => {
  assert.deepEqual(read('oci:dir'), ['dir']);
  assert.deepEqual(read('oci:dir:tag'), ['dir:tag', 'dir|tag']);
  assert.deepEqual(read('oci:/a/b:busybox:1.38'), [
    '/a/b:busybox:1.38',
    '/a/b:busybox|1.38',
    '/a/b|busybox:1.38',
  ]);
  assert.deepEqual(read('docker-archive:f.tar:foo/bar:1'), [
    'f.tar:foo/bar:1',
    'f.tar:foo/bar|1',
    'f.tar|foo/bar:1',
  ]);
  assert.deepEqual(read('docker-archive:f.tar:@2'), ['f.tar:@2', 'f.tar|@2']);
  assert.deepEqual(read('oci-archive:f.tar:'), ['f.tar:']);
  assert.deepEqual(read('oci:C:\\images:tag'), ['C:\\images:tag', 'C:\\images|tag']);
});

test('a digest is taken apart, and must be one', () => {
  assert.deepEqual(read(`oci:dir@${digest}`), [`dir@${digest}`, `dir||${digest}`]);
  assert.deepEqual(read(`oci:dir:tag@${digest}`), [
    `dir:tag@${digest}`,
    `dir:tag||${digest}`,
    `dir|tag|${digest}`,
  ]);
  assert.throws(() => parseSource('oci:dir@sha256:123'), shaleError('invalid', /64 lower case hex/));
  assert.throws(() => parseSource('oci:dir@md5:0123'), shaleError('invalid', /md5 is not known/));
});

test('a bare reference and docker:// are a registry, cache: is the cache', () => {
  for (const [text, kind, name] of [
    ['nginx', 'registry', 'docker.io/library/nginx:latest'],
    ['docker:dind', 'registry', 'docker.io/library/docker:dind'],
    ['docker://nginx:1.27', 'registry', 'docker.io/library/nginx:1.27'],
    ['localhost:5000/x', 'registry', 'localhost:5000/x:latest'],
    [`x@${digest}`, 'registry', `docker.io/library/x@${digest}`],
    ['docker://dir:x', 'registry', 'docker.io/library/dir:x'],
    ['docker://ubuntu.tar', 'registry', 'docker.io/library/ubuntu.tar:latest'],
    ['cache:ghcr.io/a/b:1', 'cache', 'ghcr.io/a/b:1'],
  ] as const) {
    const source = parseSource(text);
    assert.ok('reference' in source, text);
    assert.deepEqual([source.kind, formatReference(source.reference), source.text], [kind, name, text]);
  }
});

test('what is no source says what would be one', () => {
  for (const text of [
    '',
    'oci:',
    'oci::tag',
    ':x',
    'oci:a\0b',
    'http://x',
    './x.tar',
    '/x',
    'Nginx',
    'x y',
  ]) {
    assert.throws(() => parseSource(text), shaleError('invalid', /oci:DIR\[:TAG\]/), JSON.stringify(text));
  }
  for (const [text, guess] of [
    ['./x', /did you mean oci:\.\/x\?/],
    ['/x/y', /did you mean oci:\/x\/y\?/],
    ['..', /did you mean oci:\.\.\?/],
    ['image.tar', /oci-archive:image\.tar or docker-archive:image\.tar/],
    ['https://ghcr.io/a/b', /docker:\/\/ghcr\.io\/a\/b/],
  ] as const) {
    assert.throws(() => parseSource(text), shaleError('invalid', guess), text);
  }
  for (const text of ['dir:x', 'docker-daemon:nginx', 'containers-storage:nginx', 'tarball:x']) {
    assert.throws(() => parseSource(text), shaleError('unsupported', /does not know/), text);
  }
  for (const text of ['docker://', 'docker://Nginx', 'cache:', 'cache:a b']) {
    assert.throws(() => parseSource(text), shaleError('invalid', /reference/), text);
  }
});

test('a target is read as its source will be', () => {
  const local = (text: string) => {
    const target = parseTarget(text);
    assert.ok('readings' in target, text);
    return target.readings.map(({ path, name }) => (name === undefined ? path : `${path}|${name}`));
  };
  assert.deepEqual(local('oci:dir'), ['dir']);
  assert.deepEqual(local('oci:dir:tag'), ['dir:tag', 'dir|tag']);
  assert.deepEqual(local('docker-archive:f.tar'), ['f.tar']);
  assert.deepEqual(local('docker-archive:f.tar:nginx'), [
    'f.tar:nginx',
    'f.tar|docker.io/library/nginx:latest',
  ]);
  assert.deepEqual(local('docker-archive:f.tar:foo/bar:1'), [
    'f.tar:foo/bar:1',
    'f.tar:foo/bar|docker.io/library/1:latest',
    'f.tar|docker.io/foo/bar:1',
  ]);
  const pushed = parseTarget('localhost:5000/x:1');
  assert.ok('reference' in pushed && pushed.kind === 'registry');
  assert.throws(() => parseTarget(`oci:dir@${digest}`), shaleError('invalid', /no digest of its own/));
  assert.throws(() => parseTarget('docker-archive:f.tar:@2'), shaleError('invalid', /takes a reference/));
  assert.throws(() => parseTarget('docker-archive:f.tar:Nginx'), shaleError('invalid', /takes a reference/));
  assert.throws(() => parseTarget('dir:x'), shaleError('unsupported'));
});

test('references are completed as Docker does', () => {
  const full = {
    nginx: 'docker.io/library/nginx:latest',
    'foo/bar:1': 'docker.io/foo/bar:1',
    'docker.io/nginx': 'docker.io/library/nginx:latest',
    'index.docker.io/library/nginx': 'docker.io/library/nginx:latest',
    'localhost/x': 'localhost/x:latest',
    'localhost:5000/a/b-c__d.e:V_1': 'localhost:5000/a/b-c__d.e:V_1',
    'ghcr.io/x/y@sha256:': '',
    [`quay.io/a/b@${digest}`]: `quay.io/a/b@${digest}`,
    [`quay.io/a/b:t@${digest}`]: `quay.io/a/b:t@${digest}`,
  };
  for (const [text, expected] of Object.entries(full)) {
    if (expected === '') assert.throws(() => parseReference(text), shaleError('invalid'));
    else assert.equal(formatReference(parseReference(text)), expected, text);
  }
  for (const text of [
    '',
    'Nginx',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:b:c',
    'a b',
    '-a',
    'a_',
    'ex.com/',
    `a:${'x'.repeat(129)}`,
    'a'.repeat(600),
  ]) {
    assert.throws(() => parseReference(text), shaleError('invalid'), JSON.stringify(text));
  }
});
