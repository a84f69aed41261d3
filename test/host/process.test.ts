import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import {
  connectUnixSocket,
  createFifos,
  findProgram,
  identifyProcess,
  isRunning,
  listenUnixSocket,
  signalProcess,
  spawnDaemon,
} from '../../src/host/index.ts';
import { createScratch } from './scratch.ts';

const environment = { PATH: '/usr/bin:/bin' };

test('a process is known by more than its number', async () => {
  const child = spawn('sleep', ['60']);
  const identity = identifyProcess(child.pid!)!;
  assert.ok(isRunning(identity));
  assert.equal(isRunning({ ...identity, started: String(Number(identity.started) - 1) }), false);
  assert.equal(isRunning({ ...identity, boot: 'another' }), false);
  const other = { ...identity, started: '1' };
  assert.equal(signalProcess(other, 'SIGKILL'), false);
  assert.ok(isRunning(identity), 'the signal went to nobody');
  assert.equal(signalProcess(JSON.parse(JSON.stringify(identity)), 'SIGKILL'), true);
  await new Promise(resolve => child.once('exit', resolve));
  assert.equal(isRunning(identity), false);
  assert.equal(identifyProcess(child.pid!), undefined);
});

test('one that has ended and was not waited for does not run', async () => {
  // The second sleep becomes the parent of the first, before that ends, and never waits.
  const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = Number(
    await new Promise<string>(resolve => parent.stdout.once('data', data => resolve(String(data)))),
  );
  for (let turn = 0; turn < 100 && identifyProcess(pid) !== undefined; turn += 1)
    await new Promise(next => setTimeout(next, 10));
  assert.equal(identifyProcess(pid), undefined);
  assert.match(readFileSync(`/proc/${pid}/stat`, 'latin1'), /\) Z /);
  parent.kill('SIGKILL');
});

test('a daemon has a session of its own, its descriptors and its environment, and nothing else of ours', async () => {
  using scratch = createScratch();
  writeFileSync(scratch.at('given'), 'given');
  const fd = openSync(scratch.at('given'), 'r');
  const other = openSync(scratch.at('given'), 'r');
  const script = 'cat <&3; cat /proc/self/stat; ls -l /proc/self/fd >&2; env >&2; exec sleep 60';
  const options = { directory: scratch.at('.'), environment, descriptors: [fd], readOutput: true };
  const daemon = await spawnDaemon(findProgram('sh')!, ['-c', script], options);
  closeSync(fd);
  closeSync(other);
  let output = '';
  for await (const chunk of daemon.stdout!) {
    output += chunk;
    if (output.includes('\n')) break;
  }
  while (!daemon.errorText().includes('PATH=')) await new Promise(next => setTimeout(next, 5));
  assert.ok(output.startsWith('given'));
  const session = output.slice(output.lastIndexOf(')') + 2).split(' ')[3];
  assert.equal(Number(session), daemon.identity.pid, 'it leads its session');
  const words = daemon.errorText();
  const leaked = [...words.matchAll(/ (\d+) -> (\S+)/g)].filter(
    ([, number, to]) => Number(number) > 3 && !to!.startsWith('/proc/'),
  );
  assert.deepEqual(
    leaked.map(([line]) => line),
    [],
  );
  const variables = words.split('\n').filter(line => /^[A-Z_a-z]+=/.test(line));
  assert.deepEqual(
    variables.filter(line => !/^(PATH|PWD|_|SHLVL|OLDPWD)=/.test(line)),
    [],
  );
  assert.ok(signalProcess(daemon.identity, 'SIGKILL'));
  assert.deepEqual(await daemon.ended, { status: undefined, signal: 'SIGKILL' });
});

test('a descriptor that we have inherited ourselves beyond a gap is not passed on', async () => {
  using scratch = createScratch();
  const main = new URL('../../src/host/index.ts', import.meta.url).href;
  const program = `
    import { spawnDaemon } from '${main}';
    const options = { directory: '/', environment: { PATH: '/usr/bin:/bin' }, readOutput: true };
    const daemon = await spawnDaemon('/bin/sh', ['-c', 'ls -l /proc/self/fd'], options);
    for await (const chunk of daemon.stdout) process.stdout.write(chunk);`;
  writeFileSync(scratch.at('main.mjs'), program);
  const shell = spawn('bash', [
    '-c',
    `exec 77<"$1"; exec "$0" "$1"`,
    process.execPath,
    scratch.at('main.mjs'),
  ]);
  let listing = '';
  for await (const chunk of shell.stdout) listing += chunk;
  assert.match(listing, / 0 -> /);
  assert.doesNotMatch(listing, / 77 -> /);
});

test('a program that is not there is told', async () => {
  await assert.rejects(spawnDaemon('/nowhere/program', [], { directory: '/', environment }), {
    code: 'not-found',
  });
  assert.equal(findProgram('shale-no-such-program'), undefined);
  assert.equal(findProgram('/bin/sh'), '/bin/sh');
  assert.match(findProgram('sh')!, /^\/.*\/sh$/);
});

test('sockets are reached in directories whose paths are too long for them', async () => {
  using scratch = createScratch();
  const directory = scratch.at('a'.repeat(200));
  mkdirSync(directory);
  const server = createServer(socket => socket.end('here'));
  await listenUnixSocket(server, directory, 'socket');
  let text = '';
  for await (const chunk of await connectUnixSocket(directory, 'socket')) text += chunk;
  assert.equal(text, 'here');
  server.close();
  await assert.rejects(connectUnixSocket(directory, 'other'), { code: 'ENOENT' });
});

test('FIFOs are made, for their owner', async () => {
  using scratch = createScratch();
  await createFifos([scratch.at('one'), scratch.at('two')]);
  const { statSync } = await import('node:fs');
  assert.ok(statSync(scratch.at('two')).isFIFO());
  assert.equal(statSync(scratch.at('one')).mode & 0o777, 0o600);
});
