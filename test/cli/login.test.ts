import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Line } from '../../src/cli/prompt.ts';
import { shale } from './fixture.ts';

/** What is left of keys, and what was shown. */
function type(keys: readonly string[]): { text: string; shown: string; end: string | undefined } {
  let shown = '';
  const line = new Line(text => {
    shown += text;
  });
  let end: string | undefined;
  for (const key of keys) end ??= line.type(key);
  return { text: line.text, shown, end };
}

test('a line is corrected, ended and cancelled as terminals do', () => {
  assert.deepEqual(type(['ab', '\x7f', 'c', '\r']), { text: 'ac', shown: 'ab\b \bc', end: 'entered' });
  assert.deepEqual(type(['\x7f\b', 'x\n']), { text: 'x', shown: 'x', end: 'entered' });
  assert.deepEqual(type(['wrong', '\x15', 'right\x04']), {
    ...{ text: 'right', shown: `wrong${'\b \b'.repeat(5)}right`, end: 'entered' },
  });
  assert.equal(type(['secret\x03']).end, 'cancelled');
  assert.equal(type(['pass wörd🔑\r']).text, 'pass wörd🔑');
  assert.equal(type(['🔑\x7fa\r']).text, 'a');
  assert.equal(type(['a\x1b\x00b\r']).text, 'ab');
  assert.equal(type(['x'.repeat(100_000)]).text.length, 65_536);
});

test('login without a terminal needs to be told all, and repeats no secret', async () => {
  const secret = 'hunter2hunter2';
  const cases: [RegExp, ...string[]][] = [
    [/no terminal to ask at, and --username is not given/, 'ghcr.io'],
    [/no terminal to ask at, and --password-stdin is not given/, 'ghcr.io', '-u', 'me'],
    [/--password-stdin needs --username/, 'ghcr.io', '--password-stdin'],
    [/exclude each other/, 'ghcr.io', '-u', 'me', '--password-stdin', '--password', secret],
    [/must not be empty/, 'ghcr.io', '-u', 'me', '--password-stdin'],
    [/so many arguments/, 'ghcr.io', 'me', secret],
    [/no flag --pasword \(did you mean --password\?\)/, 'ghcr.io', `--pasword=${secret}`],
  ];
  await Promise.all(
    cases.map(async ([message, ...args]) => {
      const { status, stdout, stderr } = await shale(['login', ...args]);
      assert.deepEqual([status, stdout.length], [2, 0], stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, new RegExp(secret));
    }),
  );
});
