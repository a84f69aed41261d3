import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../src/cli/error.ts';
import { parseCommandLine } from '../../src/cli/parse.ts';
import { findSize, formatBytes, formatSeconds } from '../../src/cli/quantity.ts';
import { findNearest } from '../../src/cli/suggestion.ts';

const parse = (line: string) => parseCommandLine(line.split(' ').filter(word => word !== ''));
const fails = (line: string, message: RegExp) =>
  assert.throws(
    () => parse(line),
    (error: unknown) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    },
  );

test('flags stand anywhere, in every spelling', () => {
  const expected = {
    command: 'render',
    operands: ['oci:x', 'a.sqfs', '-'],
    values: { jobs: 4, level: 19, quiet: true, 'block-size': 1048576 },
  };
  for (const line of [
    'render oci:x a.sqfs - -j 4 --level 19 -q --block-size 1M',
    '-q --jobs=4 render --level=19 oci:x --block-size=1024K a.sqfs -',
    '-qj4 render -- oci:x a.sqfs -',
  ]) {
    const { topic: command, operands, values } = parse(line);
    assert.deepEqual([command, operands], [expected.command, expected.operands], line);
    assert.deepEqual([values.jobs, values.quiet], [4, true], line);
    if (line.includes('level')) assert.deepEqual({ ...values }, expected.values, line);
  }
});

test('after -- everything is an operand', () => {
  assert.deepEqual(parse('cat x.sqfs -- --json -l').operands, ['x.sqfs', '--json', '-l']);
});

test('help and the version win over all mistakes', () => {
  assert.deepEqual(parse('render --bogus --help').values, { help: true });
  assert.equal(parse('render --bogus --help').topic, 'render');
  assert.deepEqual(parse('-V -v').values, { version: true, verbose: true });
});

test('what is wrong is named, with what was probably meant', () => {
  fails('rendr a b', /no command "rendr" \(did you mean render\?\)/);
  fails('frobnicate', /no command "frobnicate"$/);
  fails('render a b --fromat tar', /no flag --fromat \(did you mean --format\?\)/);
  fails('render a b --block 4K', /did you mean --block-size/);
  fails('render a b --xyzzy', /no flag --xyzzy$/);
  fails('render a b -x', /no flag -x$/);
  fails('cat a b --long', /cat has no flag --long/);
  fails('--layers', /no flag --layers/);
  fails('render a b --format', /--format needs a value/);
  fails('render a b --format --quiet', /--format needs a value/);
  fails('render a b --format ext4', /"ext4" is not one of squashfs, erofs, tar, directory/);
  fails('render a b --quiet=yes', /--quiet takes no value/);
  fails('render a b --jobs 0', /"0" is not a number from 1/);
  fails('render a b --jobs 1.5', /"1.5" is not a number/);
  fails('render a b --jobs 99999999999999999999', /is not a number/);
  fails('render a b --memory lots', /"lots" is not a size such as/);
  fails('render a b --memory -5', /needs a value/);
  fails('render a b --platform=', /is not a name/);
  fails('render a', /render needs OUT: /);
  fails('why a', /why needs PATH/);
  fails('why a b c', /does not know what to do with "c"/);
  fails('render a b --__proto__', /no flag --__proto__/);
  fails('constructor', /no command "constructor"/);
});

test('a flag has the choices that its command gives it', () => {
  assert.equal(parse('pull nginx --format none').values.format, 'none');
  assert.equal(parse('render a b --format directory').values.format, 'directory');
  fails('pull nginx --format directory', /"directory" is not one of squashfs, erofs, tar, none$/);
  fails('render a b --format none', /"none" is not one of squashfs, erofs, tar, directory$/);
  fails('pull nginx --policy sometimes', /is not one of always, if-not-present, never$/);
  fails('pull nginx --no-cache', /pull has no flag --no-cache/);
});

test('lists have commas, and add up', () => {
  const { values } = parse('pull nginx --insecure-registry a:5000,b --insecure-registry c');
  assert.deepEqual(values['insecure-registry'], ['a:5000', 'b', 'c']);
  fails('pull nginx --insecure-registry a,,b', /is not a list of names/);
  fails('pull nginx --insecure-registry=', /is not a list of names/);
});

test('the commands of the cache and of registries', () => {
  assert.deepEqual(parse('rm a b:1 c@sha256:0').operands, ['a', 'b:1', 'c@sha256:0']);
  assert.deepEqual(parse('push a').operands, ['a']);
  assert.deepEqual({ ...parse('gc -na --root /x').values }, { 'dry-run': true, all: true, root: '/x' });
  assert.deepEqual({ ...parse('pull a --retries 0').values }, { retries: 0 });
  assert.deepEqual({ ...parse('login -u me -p x').values }, { username: 'me', password: 'x' });
  fails('rm', /rm needs NAME/);
  fails('images nginx', /images does not know what to do with "nginx"/);
  fails('copy a', /copy needs TARGET/);
});

test('words of similar tools lead to the command', () => {
  for (const [word, command] of [
    ['rmi', 'rm'],
    ['prune', 'gc'],
    ['save', 'copy'],
    ['image', 'images'],
    ['df', 'du'],
    ['pul', 'pull'],
  ]) {
    fails(word!, new RegExp(`no command "${word}" \\(did you mean ${command}\\?\\)`));
  }
});

test('what may be a password is in no message', () => {
  fails('login ghcr.io me hunter2', /^login does not know what to do with so many arguments$/);
});

test('limits take sizes, numbers or none', () => {
  const { values } = parse('render a b --max-size 2G --max-ratio none --max-entries 12 --max-path=4096');
  assert.deepEqual(
    { ...values },
    { 'max-size': 2 ** 31, 'max-ratio': Number.POSITIVE_INFINITY, 'max-entries': 12, 'max-path': 4096 },
  );
});

test('sizes', () => {
  const sizes: Record<string, number | undefined> = {
    ...{
      '0': 0,
      '4096': 4096,
      '512K': 524288,
      '64m': 2 ** 26,
      '1G': 2 ** 30,
      '1.5G': 1.5 * 2 ** 30,
      '2T': 2 ** 41,
    },
    ...{ '1KiB': 1024, '1MiB': 2 ** 20, '1kB': 1000, '5MB': 5e6, '7B': 7, '8 MiB': 2 ** 23, '1P': 2 ** 50 },
    ...{
      '': undefined,
      K: undefined,
      '-1': undefined,
      '1.0001K': undefined,
      '1e3': undefined,
      '0x10': undefined,
    },
    ...{ '9000000P': undefined, '1KK': undefined, '1 2': undefined },
  };
  for (const [text, size] of Object.entries(sizes)) assert.equal(findSize(text), size, JSON.stringify(text));
});

test('quantities keep three digits', () => {
  const expected = { 0: '0 B', 999: '999 B', 1000: '1.00 kB', 999499: '999 kB', 999500: '1.00 MB' };
  for (const [bytes, text] of Object.entries(expected)) assert.equal(formatBytes(Number(bytes)), text);
  assert.equal(formatBytes(1_030_000_000), '1.03 GB');
  assert.equal(formatBytes(345_678_901), '346 MB');
  assert.deepEqual([0.4, 12.34, 99.96, 185].map(formatSeconds), [
    '0.40 s',
    '12.3 s',
    '1 min 40 s',
    '3 min 05 s',
  ]);
});

test('suggestions: near, and never far', () => {
  const words = ['--format', '--platform', '--jobs', '--json'];
  assert.equal(findNearest('--fromat', words), '--format');
  assert.equal(findNearest('--plat', words), '--platform');
  assert.equal(findNearest('--jsno', words), '--json');
  assert.equal(findNearest('--completely-different', words), undefined);
  assert.equal(findNearest('x'.repeat(100_000), words), undefined);
});
