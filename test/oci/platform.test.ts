import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from '../../src/oci/index.ts';
import { shaleError } from './throws.ts';

/** What goes in, and what comes out in full. */
const names: readonly (readonly [string, string, string, string | undefined])[] = [
  ['linux/amd64', 'linux', 'amd64', undefined],
  ['linux/x86_64', 'linux', 'amd64', undefined],
  ['Linux/AMD64', 'linux', 'amd64', undefined],
  ['linux/amd64/v1', 'linux', 'amd64', undefined],
  ['linux/amd64/v3', 'linux', 'amd64', 'v3'],
  ['linux/aarch64', 'linux', 'arm64', 'v8'],
  ['linux/arm64', 'linux', 'arm64', 'v8'],
  ['linux/arm64/v8', 'linux', 'arm64', 'v8'],
  ['linux/arm64/8', 'linux', 'arm64', 'v8'],
  ['linux/arm', 'linux', 'arm', 'v7'],
  ['linux/armhf', 'linux', 'arm', 'v7'],
  ['linux/arm/v6', 'linux', 'arm', 'v6'],
  ['linux/i686', 'linux', '386', undefined],
  ['arm64', 'linux', 'arm64', 'v8'],
  ['riscv64', 'linux', 'riscv64', undefined],
  ['windows/amd64', 'windows', 'amd64', undefined],
];

test('platforms have one name each', () => {
  for (const [text, os, architecture, variant] of names) {
    const platform = parsePlatform(text);
    assert.deepEqual(platform, { os, architecture, variant, osVersion: undefined }, text);
    assert.deepEqual(parsePlatform(formatPlatform(platform)), platform, text);
  }
  assert.equal(formatPlatform(parsePlatform('linux/aarch64')), 'linux/arm64');
  assert.equal(formatPlatform(parsePlatform('linux/arm')), 'linux/arm/v7');
});

test('malformed platforms are refused', () => {
  for (const text of [
    '',
    '/',
    'linux/',
    '/amd64',
    'linux/arm64/v8/x',
    'linux amd64',
    'linux//v8',
    '../x',
    'a/b/c\n',
  ]) {
    assert.throws(() => parsePlatform(text), shaleError('invalid', /linux\/amd64/), JSON.stringify(text));
  }
});

test("Node's names of architectures are Go's", () => {
  const expected = {
    x64: 'linux/amd64',
    ia32: 'linux/386',
    arm: 'linux/arm/v7',
    arm64: 'linux/arm64',
    ppc64: 'linux/ppc64le',
    s390x: 'linux/s390x',
    riscv64: 'linux/riscv64',
    loong64: 'linux/loong64',
  };
  for (const [node, go] of Object.entries(expected)) assert.equal(formatPlatform(hostPlatform(node)), go);
});

const choose = (there: readonly string[], wanted: string) =>
  choosePlatform(
    there.map((text, position) => ({ platform: text === '' ? undefined : parsePlatform(text), position })),
    parsePlatform(wanted),
    'the image',
  ).position;

test('the best variant that runs is chosen, the first of equals', () => {
  const arm = ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7', 'linux/arm64'];
  assert.equal(choose(arm, 'linux/arm/v7'), 2);
  assert.equal(choose(arm, 'linux/arm'), 2);
  assert.equal(choose(arm, 'linux/arm/v6'), 1);
  assert.equal(choose(arm, 'linux/arm/v8'), 2);
  assert.equal(choose(arm.slice(0, 2), 'linux/arm/v7'), 1);
  assert.equal(choose(arm, 'linux/arm64/v9'), 3);
  assert.equal(choose(['linux/arm64/v8', 'linux/arm64/v8.2', 'linux/arm64/v9'], 'linux/arm64/v8.4'), 1);
  assert.equal(choose(['linux/arm64/v8', 'linux/arm64/v8.5', 'linux/arm64/v9.1'], 'linux/arm64/v9'), 1);
  const amd = ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v4'];
  assert.equal(choose(amd, 'linux/amd64'), 0);
  assert.equal(choose(amd, 'linux/amd64/v3'), 2);
  assert.equal(choose(amd.slice(0, 2), 'linux/amd64/v4'), 1);
  assert.equal(choose(['linux/arm64', 'linux/amd64', 'linux/amd64'], 'linux/amd64'), 1);
});

test('a build of Windows that is asked for must be that one', () => {
  const build = (osVersion: string) => ({ platform: { ...parsePlatform('windows/amd64'), osVersion } });
  const candidates = [build('10.0.17763.1'), build('10.0.20348.2')];
  assert.equal(choosePlatform(candidates, candidates[1]!.platform), candidates[1]);
  assert.equal(choosePlatform(candidates, parsePlatform('windows/amd64')), candidates[0]);
  assert.throws(() => choosePlatform(candidates, build('6.1').platform), shaleError('not-found'));
});

test('what does not run is never chosen, and the error lists what there is', () => {
  const refused: readonly (readonly [string[], string])[] = [
    [['linux/arm/v7'], 'linux/arm/v6'],
    [['linux/amd64/v2'], 'linux/amd64'],
    [['linux/arm64/v9'], 'linux/arm64'],
    [['linux/386'], 'linux/amd64'],
    [['linux/arm/v7'], 'linux/arm64'],
    [['windows/amd64'], 'linux/amd64'],
    [['unknown/unknown'], 'linux/amd64'],
    [['unknown/unknown'], 'unknown/unknown'],
    [[''], 'linux/amd64'],
    [[], 'linux/amd64'],
  ];
  for (const [there, wanted] of refused) {
    assert.throws(() => choose(there, wanted), shaleError('not-found'), `${there} for ${wanted}`);
  }
  assert.throws(
    () => choose(['linux/arm/v7', 'unknown/unknown', 'linux/s390x', 'linux/s390x'], 'linux/amd64'),
    shaleError(
      'not-found',
      /the image has nothing for linux\/amd64, only for linux\/arm\/v7, linux\/s390x \|/,
    ),
  );
});
