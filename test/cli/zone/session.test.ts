import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bin, cleanEnvironment, type Ended, type RunOptions, run, temporary } from '../fixture.ts';

/** The command line with a stub for the machines: what becomes of streams, signals and statuses. */
const preload = path.join(import.meta.dirname, 'preload.cjs');
const start = (args: readonly string[], options: RunOptions = {}) =>
  spawn(process.execPath, ['-r', preload, bin, ...args], {
    env: cleanEnvironment(options.env),
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
const shale = (line: string, options: RunOptions = {}): Promise<Ended> =>
  run(process.execPath, ['-r', preload, bin, ...line.split(' ').filter(word => word !== '')], options);

/** What it wrote, and how it ended. */
async function endOf(
  child: ChildProcess,
): Promise<{ status: number | null; stdout: Buffer; stderr: string }> {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout!.on('data', chunk => stdout.push(chunk));
  child.stderr!.on('data', chunk => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>(done => child.on('close', done));
  return { status, stdout: Buffer.concat(stdout), stderr };
}

/** Resolves when the stream has shown the text. */
async function seen(stream: NodeJS.ReadableStream, text: string): Promise<void> {
  let all = '';
  await new Promise<void>((done, fail) => {
    stream.on('data', chunk => {
      all += chunk;
      if (all.includes(text)) done();
    });
    stream.on('close', () => fail(new Error(`ended without ${JSON.stringify(text)}: ${all}`)));
  });
}

test('what the flags ask for reaches the engine, and the status comes back', async () => {
  const { status, stdout, stderr } = await shale(
    'run --rm --memory 1G --cpus 2 -e A=1 --env=HOME -w /srv -u me --entrypoint= --name web --hostname h --read-only ' +
      '--tmpfs /tmp -p 8080:80 -v d:/d:ro --kernel k --kernel-args quiet --vmm uml --machine q35 --accel tcg --timeout 2s ' +
      '--boot-timeout 1m --verity --warm --first --platform linux/amd64 --root /x request -- ls -l',
    { env: { HOME: '/home/me' } },
  );
  assert.deepEqual([status, stderr], [7, '']);
  assert.deepEqual(JSON.parse(stdout.toString()), {
    ...{ remove: true, memory: 2 ** 30, cpus: 2, env: ['A=1', 'HOME=/home/me'], workdir: '/srv', user: 'me' },
    ...{ entrypoint: '', name: 'web', hostname: 'h', readOnly: true, tmpfs: ['/tmp'], publish: ['8080:80'] },
    ...{ volumes: ['d:/d:ro'], kernel: 'k', kernelArguments: ['quiet'], vmm: 'uml', machine: 'q35' },
    ...{ acceleration: 'tcg', timeout: 2000, bootTimeout: 60_000, verity: true, warm: true, first: true },
    ...{ platform: 'linux/amd64', root: '/x', command: ['ls', '-l'], stdin: false },
    ...{ network: 'user', policy: 'if-not-present', cache: true },
  });
});

test('a zone has no network unless it is asked for', async () => {
  const network = async (line: string) => JSON.parse((await shale(line)).stdout.toString()).network;
  assert.equal(await network('run request'), 'none');
  assert.equal(await network('run --network user request'), 'user');
});

test('flags that contradict each other are wrong usage', async () => {
  for (const [line, message] of [
    ['run --network none -p 1:2 wait', /--publish needs a network/],
    ['run --scratch 1G --upper-size 1G wait', /only one of them/],
    ['run --read-only --scratch 1G wait', /nothing for --scratch/],
    ['run --json wait', /--json is for --detach/],
    ['run -it wait', /-t needs a terminal, and standard input is none/],
    ['zone exec -t wait sh', /-t needs a terminal/],
    ['run -e =x wait', /not NAME=VALUE/],
    ['zone rm', /either ZONE or --all/],
    ['zone rm --all web', /either ZONE or --all/],
    ['zone kill --signal NOPE web', /is no signal/],
  ] as const) {
    const { status, stderr } = await shale(line);
    assert.equal(status, 2, `${line}: ${stderr}`);
    assert.match(stderr, message);
  }
});

test('where all is there nothing is said; notices, console and times on standard error, if wanted', async () => {
  const silent = await shale('run -q tell');
  assert.deepEqual([silent.status, silent.stdout.length, silent.stderr], [0, 0, '']);
  const terse = await shale('run tell');
  assert.deepEqual([terse.status, terse.stderr], [0, 'shale: KVM does not work here\n']);
  const { stderr } = await shale('run -q --console --times tell');
  assert.equal(stderr, 'Linux\nkernel  1.0 ms\ntotal   1.0 ms\n');
});

test('a limit is said, with its own status', async () => {
  const late = await shale('run --timeout 1s limit');
  assert.deepEqual(
    [late.status, late.stderr],
    [124, 'shale: the command was killed: it ran longer than --timeout allows\n'],
  );
  const full = await shale('run memory');
  assert.deepEqual(
    [full.status, full.stderr],
    [137, 'shale: the zone ran out of memory; --memory gives it more\n'],
  );
});

test('an error of the engine has its own status, and steers no terminal', async () => {
  const { status, stderr } = await shale('run dies');
  assert.deepEqual([status, stderr], [11, 'shale: the machine is gone\\x1b[2J\n']);
});

test('standard input and output are the command’s, byte for byte', async () => {
  const data = randomBytes(8 << 20).map(byte => (byte === 4 ? 5 : byte));
  const child = start(['run', '-i', 'echo']);
  child.stdin.end(data);
  const { status, stdout, stderr } = await endOf(child);
  assert.deepEqual([status, stderr], [0, `${data.length} bytes\n`]);
  assert.ok(stdout.equals(Buffer.concat([Buffer.from('ready\n'), data])));
});

test('a command that ends does not wait for its input to end', async () => {
  const child = start(['zone', 'exec', '-i', 'echo', 'sh']);
  child.stdin.write('enough\x04');
  const { status, stdout } = await endOf(child);
  assert.deepEqual([status, stdout.toString()], [0, 'ready\nenough\x04']);
});

test('signals go to the command once it runs', async () => {
  const child = start(['run', 'wait']);
  const end = endOf(child);
  await seen(child.stdout, 'waiting\n');
  for (const name of ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGTERM'] as const) {
    const shown = seen(child.stdout, `${name}\n`);
    child.kill(name);
    await shown;
  }
  const { status, stderr } = await end;
  assert.deepEqual([status, stderr], [143, '']);
});

test('before the command runs a signal gives the launch up', async () => {
  for (const [name, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGQUIT', 131],
  ] as const) {
    const child = start(['run', 'boot']);
    const end = endOf(child);
    await seen(child.stderr, 'booting');
    child.kill('SIGUSR1');
    child.kill('SIGWINCH');
    child.kill(name);
    const { status, stderr } = await end;
    assert.deepEqual([status, stderr], [expected, 'booting\nshale: interrupted; the zone was killed\n']);
  }
});

test('three SIGINTs within two seconds kill the zone', async () => {
  const child = start(['run', 'wait']);
  const end = endOf(child);
  await seen(child.stdout, 'waiting');
  for (let count = 0; count < 3; count++) {
    child.kill('SIGINT');
    await sleep(50);
  }
  const { status, stdout, stderr } = await end;
  assert.deepEqual([status, stderr], [130, 'shale: interrupted; the zone was killed\n']);
  assert.equal(stdout.toString(), 'waiting\nSIGINT\nSIGINT\n');
});

test('a reader that goes away ends the zone, and nothing is held for it', async () => {
  using directory = temporary();
  const log = directory.file('flood');
  const child = start(['run', 'flood'], { env: { FLOOD: log } });
  child.stderr.resume();
  // It takes little, waits, and leaves.
  child.stdout.once('data', () => {
    child.stdout.pause();
    setTimeout(() => child.stdout.destroy(), 500);
  });
  const status = await new Promise(done => child.on('exit', done));
  assert.equal(status, 141);
  assert.ok(existsSync(log), 'the zone was not given up');
  const [taken, memory] = readFileSync(log, 'utf8').split(' ').map(Number);
  assert.ok(taken! < 100, `${taken} chunks were taken while nobody read`);
  assert.ok(memory! < 200e6, `${memory} bytes of memory`);
});

test('--detach prints the id, or all that there is as JSON', async () => {
  const [id, json, request] = await Promise.all([
    shale('run -d limit'),
    shale('run -d --json --name web limit'),
    shale('run -dit request'),
  ]);
  assert.deepEqual([id.status, id.stdout.toString(), id.stderr], [0, 'ab12\n', '']);
  assert.deepEqual(JSON.parse(json.stdout.toString()), { id: 'ab12', name: 'web' });
  const [, asked = ''] = /^(\{.*\})ab12\n$/.exec(request.stdout.toString()) ?? [];
  const { detach, stdin, terminal } = JSON.parse(asked);
  assert.deepEqual(
    { detach, stdin, terminal },
    { detach: true, stdin: true, terminal: { rows: 24, columns: 80 } },
  );
});
