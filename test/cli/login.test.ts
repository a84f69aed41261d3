import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { Line } from '../../src/cli/prompt.ts';
import { startFakeRegistry } from '../registry/fake.ts';
import { requires } from '../requirement.ts';
import { bin, cleanEnvironment, shale, temporary } from './fixture.ts';

const username = 'me';
const password = 'correct horse 🔑';
const startRegistry = () => startFakeRegistry({ auth: { kind: 'basic', username, password } });

interface Keys {
  /** What is typed once all of the text has been seen, in turn. */
  readonly after: RegExp;
  readonly type: string;
}

/** Runs a program, and types at it; `status` and all that it printed. */
async function typeAt(
  command: string,
  args: readonly string[],
  keys: readonly Keys[],
): Promise<{ status: number | null; text: string }> {
  const left = [...keys];
  const child = spawn(command, args, {
    env: cleanEnvironment({ TERM: 'xterm' }),
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let text = '';
  let seen = 0;
  const take = (chunk: Buffer) => {
    text += chunk.toString();
    const [next] = left;
    if (next === undefined || !next.after.test(text.slice(seen))) return;
    seen = text.length;
    left.shift();
    child.stdin.write(next.type);
    if (left.length === 0 && command !== 'script') child.stdin.end();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  if (keys.length === 0) child.stdin.end();
  const status = await new Promise<number | null>(done => child.on('close', done));
  return { status, text };
}

/** The same on a terminal of its own. */
const typeOnTerminal = (args: readonly string[], keys: readonly Keys[]) => {
  const quoted = [process.execPath, bin, ...args].map(word => `'${word}'`).join(' ');
  return typeAt(
    'script',
    ['-qec', `${quoted}; status=$?; stty -a | grep -o '[-]*echo '; exit $status`, '/dev/null'],
    keys,
  );
};

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

test('login keeps a credential that the registry takes, and says that it is not encrypted', async () => {
  await using registry = await startRegistry();
  using directory = temporary();
  const authfile = directory.file('auth.json');
  const flags = [registry.host, '--authfile', authfile, '-u', username];
  const wrong = await shale(['login', ...flags, '-p', 'wrong', '--json']);
  assert.deepEqual([wrong.status, existsSync(authfile)], [6, false], wrong.stderr);
  assert.equal(JSON.parse(wrong.stdout.toString()).error.code, 'unauthenticated');

  const right = await shale(['login', ...flags, '--password', password]);
  assert.equal(right.status, 0, right.stderr);
  assert.match(right.stderr, /^shale: --password is visible in the process list/);
  assert.match(right.stderr, /logged in to 127\.0\.0\.1:\d+ as me; .*auth\.json, not encrypted/);
  assert.equal(right.stdout.length, 0);
  assert.equal(statSync(authfile).mode & 0o777, 0o600);
  const { auths } = JSON.parse(readFileSync(authfile, 'utf8'));
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  assert.equal(auths[registry.host].auth, auth);
  for (const { stdout, stderr } of [wrong, right])
    assert.ok(!`${stdout}${stderr}`.includes(password) && !`${stdout}${stderr}`.includes(auth));

  const out = await shale(['logout', registry.host, '--authfile', authfile]);
  assert.equal(out.status, 0, out.stderr);
  assert.match(out.stderr, /^removed the credential of 127\.0\.0\.1:\d+ from .*auth\.json$/m);
  const again = await shale(['logout', registry.host, '--authfile', authfile, '--json']);
  assert.deepEqual(JSON.parse(again.stdout.toString()), { registry: registry.host, removedFrom: [] });
});

test('the password comes from standard input as echo writes it', async () => {
  await using registry = await startRegistry();
  using directory = temporary();
  const flags = [
    registry.host,
    '--authfile',
    directory.file('auth.json'),
    '-u',
    username,
    '--password-stdin',
  ];
  const child = spawn(process.execPath, [bin, 'login', ...flags, '-q'], { env: cleanEnvironment() });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  child.stdin.end(`${password}\n`);
  const status = await new Promise(done => child.on('close', done));
  assert.deepEqual([status, stderr], [0, '']);
});

test('at a terminal the password is asked for and not shown, and the terminal is left as it was', {
  skip: requires({ tools: ['script', 'stty'] }),
}, async () => {
  await using registry = await startRegistry();
  using directory = temporary();
  const args = ['login', registry.host, '--authfile', directory.file('auth.json')];
  const name = { after: /User name for 127.*: $/, type: `you\x15${username}\r` };
  const asked = { after: /Password: $/, type: `${password}x\x7f\r` };
  const { status, text } = await typeOnTerminal(args, [name, asked]);
  assert.equal(status, 0, text);
  assert.match(text, /logged in to .* as me/);
  assert.ok(!text.includes(password.slice(0, 7)), text);
  assert.match(text, /^echo /m);

  const cancelled = await typeOnTerminal(args, [name, { after: /Password: $/, type: 'abc\x03' }]);
  assert.equal(cancelled.status, 130, cancelled.text);
  assert.doesNotMatch(cancelled.text, /abc|internal/);
  assert.match(cancelled.text, /^echo /m);
});
