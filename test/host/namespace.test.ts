import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isRunning, parseSubordinateIds, proposeRange } from '../../src/host/index.ts';
import { createUser, type OrdinaryUser, requiresUser } from '../ordinary-user.ts';
import { createScratch } from './scratch.ts';

const skip = requiresUser();

/** Runs a command in his namespace; what it prints. */
function unshare(user: OrdinaryUser, ...words: readonly string[]): string {
  const { status, stdout, stderr } = user.run(...user.shale, 'unshare', '--', ...words);
  assert.equal(status, 0, stderr);
  return stdout;
}

test('subordinate ids are found by name and by number, in their order', () => {
  const text =
    'alice:100000:65536\n# bob:1:2\nbob:165536:10\n1001:5:7:\n 1001:300000:1\nalice:x:1\nalice:7:0\n';
  assert.deepEqual(parseSubordinateIds(text, ['alice', '1000']), [{ start: 100000, count: 65536 }]);
  assert.deepEqual(parseSubordinateIds(text, ['bob', '1001']), [
    { start: 165536, count: 10 },
    { start: 300000, count: 1 },
  ]);
  assert.deepEqual(parseSubordinateIds(`carol:1:${2 ** 32}\n`, ['carol']), []);
  assert.deepEqual(proposeRange(text, ''), { start: 300001, count: 65536 });
  assert.deepEqual(proposeRange('', ''), { start: 100000, count: 65536 });
});

test('inside, the user is root and his subordinate ids are the others', { skip }, () => {
  using user = createUser();
  assert.equal(unshare(user, 'id', '-u'), '0\n');
  const map = unshare(user, 'cat', '/proc/self/uid_map').trim().split(/\s+/).map(Number);
  assert.deepEqual(map, [0, user.id, 1, 1, 2_110_000_000, 65_536]);
  unshare(user, 'sh', '-c', 'echo x > ours && chown 1000:1001 ours');
  const { stdout } = user.run('stat', '-c', '%u:%g', path.join(user.home, 'ours'));
  assert.equal(stdout, '2110000999:2110001000\n');
  assert.equal(unshare(user, 'pwd'), `${user.home}\n`);
  const root = path.join(user.home, '.local/share/shale');
  assert.equal(unshare(user, 'printenv', 'SHALE_ROOT'), `${root}\n`, 'the cache is still his');
  // A shell that was entered by other means is of the same mind.
  const program = `import { findDataRoot } from ${JSON.stringify(`${user.repository}/src/host/index.ts`)};
    console.log(findDataRoot());`;
  const words = ['env', '-u', 'SHALE_ROOT', user.shale[0], '--input-type=module', '-e', program];
  assert.equal(unshare(user, ...words), `${root}\n`);
});

test('what one command mounts the next one finds, and nobody else', { skip }, () => {
  using user = createUser();
  const place = path.join(user.home, 'place');
  mkdirSync(place);
  unshare(user, 'sh', '-c', `mount -t tmpfs none ${place} && echo here > ${place}/file`);
  assert.equal(unshare(user, 'cat', `${place}/file`), 'here\n');
  assert.equal(user.run('ls', place).stdout, '');
  const end = user.run(...user.shale, 'unshare', '--end', '--json');
  assert.deepEqual(JSON.parse(end.stdout), { ended: true });
  assert.equal(unshare(user, 'ls', place), '', 'a new namespace');
});

test('status, signals and pipes are those of the command', { skip }, async () => {
  using user = createUser();
  const run = (script: string) => user.run(...user.shale, 'unshare', '--', 'sh', '-c', script);
  assert.equal(run('exit 7').status, 7);
  assert.equal(run('kill -KILL $$').signal, 'SIGKILL');
  assert.match(run('grep SigIgn /proc/self/status').stdout, /SigIgn:\s*0+\n/);
  const { stdout, stderr } = run('yes | head -1');
  assert.deepEqual([stdout, stderr], ['y\n', '']);
  const [program, ...words] = user.words(
    ...user.shale,
    'unshare',
    '--',
    'sh',
    '-c',
    'echo $$; exec sleep 60',
  );
  const child = spawn(program, words, { env: user.environment, cwd: user.home });
  const first = String(await new Promise(resolve => child.stdout.once('data', resolve)));
  assert.equal(Number(first), child.pid, 'no process stands between');
  child.kill('SIGTERM');
  assert.equal(await new Promise(resolve => child.once('exit', (_, signal) => resolve(signal))), 'SIGTERM');
});

test('it is ended only when nobody is in it, unless by force', { skip }, async () => {
  using user = createUser();
  unshare(user, 'true');
  const record = path.join(user.home, '.local/share/shale/namespace.json');
  const keeper = JSON.parse(readFileSync(record, 'utf8'));
  assert.ok(isRunning(keeper));
  const [program, ...words] = user.words(...user.shale, 'unshare', '--', 'sh', '-c', 'echo; exec sleep 60');
  const child = spawn(program, words, { env: user.environment, cwd: user.home });
  await new Promise(resolve => child.stdout.once('data', resolve));
  const ended = new Promise(resolve => child.once('exit', (_, signal) => resolve(signal)));
  const end = (...flags: readonly string[]) => user.run(...user.shale, 'unshare', '--end', ...flags);
  const refused = end();
  assert.equal(refused.status, 12);
  assert.match(refused.stderr, new RegExp(`processes live in the namespace: ${child.pid}\n`));
  assert.ok(isRunning(keeper));
  assert.equal(end('--force').status, 0);
  assert.equal(await ended, 'SIGTERM');
  assert.equal(isRunning(keeper), false);
  assert.match(end().stderr, /there was no namespace/);
});

test('a keeper that was killed, and a record of nonsense, do not matter', { skip }, () => {
  using user = createUser();
  unshare(user, 'true');
  const record = path.join(user.home, '.local/share/shale/namespace.json');
  process.kill(JSON.parse(readFileSync(record, 'utf8')).pid, 'SIGKILL');
  assert.equal(unshare(user, 'id', '-u'), '0\n');
  process.kill(JSON.parse(readFileSync(record, 'utf8')).pid, 'SIGKILL');
  for (const text of ['', '{', 'null', '{"pid":1}', `{"pid":${process.pid}}`]) {
    writeFileSync(record, text);
    assert.equal(unshare(user, 'id', '-u'), '0\n', text);
    process.kill(JSON.parse(readFileSync(record, 'utf8')).pid, 'SIGKILL');
  }
});

test('many who want it at once get the same one', { skip }, async () => {
  using user = createUser();
  const [program, ...words] = user.words(...user.shale, 'unshare', '--', 'readlink', '/proc/self/ns/mnt');
  const answers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const child = spawn(program, words, { env: user.environment, cwd: user.home });
      let text = '';
      for await (const chunk of child.stdout) text += chunk;
      return text;
    }),
  );
  assert.match(answers[0]!, /^mnt:\[\d+\]\n$/);
  assert.equal(new Set(answers).size, 1);
});

test('whoever has no subordinate ids is told what to add', { skip }, () => {
  using user = createUser({ subordinate: 'somebody:100000:65536\n' });
  const { status, stderr } = user.run(...user.shale, 'unshare', 'true');
  assert.equal(status, 9);
  assert.match(stderr, /shale-test has no subordinate user ids\n/);
  assert.match(stderr, /add the line shale-test:165536:65536 to \/etc\/subuid and to \/etc\/subgid/);
  assert.match(stderr, /usermod --add-subuids 165536-231071 --add-subgids 165536-231071 shale-test/);
});

test('programs that are missing or may do nothing are told', { skip }, () => {
  using scratch = createScratch();
  using user = createUser();
  const restricted = user.run('setpriv', '--no-new-privs', ...user.shale, 'unshare', 'true');
  assert.equal(restricted.status, 9, restricted.stderr);
  assert.match(restricted.stderr, /no_new_privs/);
  // Over a copy without the setuid bit.
  const copy = scratch.at('newuidmap');
  writeFileSync(copy, readFileSync('/usr/bin/newuidmap'));
  chmodSync(copy, 0o755);
  assert.match(
    refusal(user, `mount --bind ${copy} /usr/bin/newuidmap`),
    /newuidmap has lost its privileges\n.*chmod u\+s \/usr\/bin\/newuidmap/,
  );
  chmodSync(copy, 0o644);
  assert.match(
    refusal(user, `mount --bind ${copy} /usr/bin/newuidmap`),
    /there is no program newuidmap\n.*install uidmap/,
  );
  writeFileSync(scratch.at('zero'), '0\n');
  assert.match(
    refusal(user, `mount --bind ${scratch.at('zero')} /proc/sys/user/max_user_namespaces`),
    /user\.max_user_namespaces is 0\)\n.*sysctl -w user\.max_user_namespaces=/,
  );
});

/** What Shale says, and does not do, where the bind mounts of a script cover parts of the machine. */
function refusal(user: OrdinaryUser, script: string): string {
  const words = user.words(...user.shale, 'unshare', 'true');
  const all = ['--mount', '/bin/sh', '-c', `${script} && exec "$@"`, 'sh', ...words];
  const result = spawnSync('unshare', all, { encoding: 'utf8', env: user.environment, cwd: user.home });
  assert.equal(result.status, 9, result.stderr);
  return result.stderr;
}
