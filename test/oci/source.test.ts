import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReference, parseReference, parseSource } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

/** The readings as `path`, `path|name` or `path|name|digest`. */
const read = (text: string) =>
  parseSource(text).readings.map(({ path, name, digest }) =>
    [path, name ?? (digest && ''), digest].filter(part => part !== undefined).join('|'),
  );

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

test('what is no source says what would be one', () => {
  for (const text of [
    '',
    'oci:',
    'oci::tag',
    ':x',
    'oci:a\0b',
    'tarball:x',
    'docker-daemon:nginx',
    'dir:x',
    'http://x',
    './x.tar',
    '/x',
  ]) {
    assert.throws(() => parseSource(text), shaleError('invalid', /oci:DIR\[:TAG\]/), JSON.stringify(text));
  }
});

test('registries come later', () => {
  for (const text of [
    'nginx',
    'nginx:1.27',
    'docker://nginx',
    'docker.io/library/nginx:1.27',
    'localhost:5000/x',
    `x@${digest}`,
  ]) {
    assert.throws(() => parseSource(text), shaleError('unsupported', /later version.*skopeo copy/), text);
  }
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
