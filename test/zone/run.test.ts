/** Zones as a user has them, from end to end: the command line on User-Mode Linux, and what is most of it on QEMU. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { requires } from '../requirement.ts';
import {
  collect,
  createMachines,
  type Machines,
  requiresMachine,
  shown,
  type TestVmm,
} from './machine-fixture.ts';

const chosen = process.env.SHALE_TEST_VMM as TestVmm | undefined;
const full: TestVmm = chosen ?? (requiresMachine('uml') === false ? 'uml' : 'qemu');

describe(`zones on ${full}`, { skip: requiresMachine(full) }, () => {
  let machines: Machines;
  before(async () => {
    machines = await createMachines(full);
  });
  after(() => machines[Symbol.dispose]());
  /** What a shell in a new zone says, and its status. */
  const sh = async (script: string, ...flags: string[]) => {
    const { status, stdout, stderr } = await machines.shale([
      'run',
      '--rm',
      ...flags,
      'app',
      'sh',
      '-c',
      script,
    ]);
    return { status, out: stdout.toString(), err: stderr };
  };

  test('output, errors and exit status are the command’s; without -i it has nothing to read', async () => {
    const script = 'wc -c; echo out; echo err >&2; exit 3';
    const args = ['run', '--rm', 'app', 'sh', '-c', script];
    const { status, stdout, stderr } = await machines.shale(args, { input: Buffer.from('lost') });
    assert.deepEqual([status, stdout.toString(), stderr], [3, '0\nout\n', 'err\n']);
  });

  test('the image says what runs, with which variables and where', async () => {
    const { status, stdout } = await machines.shale(['run', '--rm', 'app']);
    assert.deepEqual([status, stdout.toString()], [0, 'image /srv\n0\n0\n']);
  });

  test('variables, user, directory, host name and entrypoint of the command line come first', async () => {
    const flags = [
      '-e',
      'A=1',
      '-e',
      'FROM=flag',
      '-w',
      '/tmp',
      '-u',
      'app',
      '--hostname',
      'here',
      '--entrypoint',
      '/bin/sh',
    ];
    const script = 'echo $A $FROM $PWD $HOME; id -u; id -G; hostname; touch /etc/x || echo no';
    const { stdout } = await machines.shale(['run', '--rm', ...flags, 'app', '-c', script]);
    assert.equal(stdout.toString(), '1 flag /tmp /home/app\n1000\n1000 50\nhere\nno\n');
  });

  test('a command that is not there is 127', async () => {
    const { status, stderr } = await machines.shale(['run', '--rm', 'app', '/nothing']);
    assert.equal(status, 127);
    assert.match(stderr, /\/nothing/);
  });

  test('megabytes go in and come out as they are', async () => {
    const input = randomBytes(3 << 20);
    const { status, stdout, stderr } = await machines.shale(['run', '--rm', '-i', 'app', 'cat'], { input });
    assert.deepEqual([status, stderr], [0, '']);
    assert.ok(stdout.equals(input), `${stdout.length} of ${input.length} bytes`);
  });

  test('signals go to the command, which may take them', async () => {
    const child = machines.start([
      'run',
      '--rm',
      'app',
      'sh',
      '-c',
      'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.1; done',
    ]);
    const end = collect(child);
    await shown(child.stdout!, 'ready');
    child.kill('SIGTERM');
    const { status, stdout } = await end;
    assert.deepEqual([status, stdout.toString()], [9, 'ready\ngot\n']);
  });

  test('a command that does not take SIGINT ends by it', async () => {
    const child = machines.start(['run', '--rm', 'app', 'sh', '-c', 'echo ready; exec sleep 60']);
    const end = collect(child);
    await shown(child.stdout!, 'ready');
    child.kill('SIGINT');
    assert.equal((await end).status, 130);
  });

  test('a reader that goes away ends the zone', async () => {
    const child = machines.start(['run', '--rm', 'app', 'yes']);
    child.stdout!.once('data', () => child.stdout!.destroy());
    const status = await new Promise(done => child.on('exit', done));
    assert.equal(status, 141);
    const { stdout } = await machines.shale(['zone', 'ls', '-q']);
    assert.equal(stdout.toString(), '');
  });

  test('a time limit ends the command with 124', async () => {
    const { status } = await sh('sleep 60', '--timeout', '500ms');
    assert.equal(status, 124);
  });

  test('a terminal: its size, Ctrl-C, the shell’s own status', {
    skip: requires({ tools: ['python3'] }),
  }, async () => {
    const key = (text: string) => ({ type: Buffer.from(text).toString('hex') });
    const { status, text } = await machines.onTerminal(
      ['run', '--rm', '-it', 'app', 'sh', '-c', 'echo rea""dy; sh'],
      [
        { wait: 'ready' },
        key('stty size\r'),
        { wait: '33 99' },
        { resize: [40, 100] },
        key('sleep 1; stty size\r'),
        { wait: '40 100' },
        key(`sh -c 'echo sle""eping; exec sleep 60'\r`),
        { wait: 'sleeping' },
        key('\x03'),
        key('tty; echo i$((1+1))\r'),
        { wait: 'i2' },
        key('exit 5\r'),
      ],
    );
    assert.equal(status, 5, text);
    assert.match(text, /\/dev\/(pts\/\d+|tty|console)/);
  });

  test('the image below is read-only, and what is written above goes with the zone', async () => {
    const script = 'grep " / " /proc/mounts; rm /etc/doomed; echo x > /new; ls /new /etc/doomed';
    const first = await sh(script);
    assert.match(first.out, /overlay/);
    assert.match(first.out, /^\/new$/m);
    assert.match(first.err, /doomed/);
    const again = 'ls /new /etc/doomed; touch /new || echo refused; touch /tmp/x && echo written';
    const { out, err } = await sh(again, '--read-only', '--tmpfs', '/tmp');
    assert.equal(out, '/etc/doomed\nrefused\nwritten\n');
    assert.match(err, /\/new/);
  });

  test('a volume stays, for one zone that writes at a time', async () => {
    assert.equal((await sh('echo kept > /data/file', '-v', 'things:/data')).status, 0);
    assert.equal(
      (await sh('cat /data/file; touch /data/x || echo refused', '-v', 'things:/data:ro')).out,
      'kept\nrefused\n',
    );
    const { stdout } = await machines.shale(['zone', 'volume', 'ls', '-q']);
    assert.equal(stdout.toString(), 'things\n');
    assert.equal((await machines.shale(['zone', 'volume', 'rm', 'things'])).status, 0);
  });

  test('a zone that is left alone: ls, logs, exec, inspect, stop, rm', async () => {
    const script = 'trap "echo bye; exit 4" TERM; echo one; echo two >&2; while :; do sleep 0.1; done';
    const run = await machines.shale(['run', '-d', '--name', 'web', 'app', 'sh', '-c', script]);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    const id = run.stdout.toString().trim();
    const taken = await machines.shale(['run', '-d', '--name', 'web', 'app', 'true']);
    assert.equal(taken.status, 5, taken.stderr);
    const { zones } = JSON.parse((await machines.shale(['zone', 'ls', '--json'])).stdout.toString());
    assert.deepEqual([zones.length, zones[0].id, zones[0].name, zones[0].state], [1, id, 'web', 'running']);
    const exec = await machines.shale(
      ['zone', 'exec', '-i', '-e', 'B=2', '-u', 'app', 'web', 'sh', '-c', 'cat; echo $B; id -u; exit 6'],
      { input: Buffer.from('in ') },
    );
    assert.deepEqual([exec.status, exec.stdout.toString()], [6, 'in 2\n1000\n'], exec.stderr);
    for (const [command, status] of [
      ['/etc/passwd', 126],
      ['/nothing', 127],
      ['kill -9 $$', 137],
    ] as const) {
      const words = command.startsWith('/') ? [command] : ['sh', '-c', command];
      assert.equal((await machines.shale(['zone', 'exec', 'web', ...words])).status, status, command);
    }
    const logs = await machines.shale(['zone', 'logs', 'web']);
    assert.deepEqual([logs.stdout.toString(), logs.stderr], ['one\n', 'two\n']);
    const report = JSON.parse(
      (await machines.shale(['zone', 'inspect', id.slice(0, 6), '--json'])).stdout.toString(),
    );
    assert.deepEqual([report.name, report.state, report.terminal], ['web', 'running', false]);
    assert.equal((await machines.shale(['zone', 'rm', 'web'])).status, 12, 'one that runs stays');
    assert.equal((await machines.shale(['zone', 'stop', 'web'])).status, 0);
    const after = JSON.parse((await machines.shale(['zone', 'inspect', 'web', '--json'])).stdout.toString());
    assert.deepEqual([after.state, after.status], ['exited', 4]);
    const late = await machines.shale(['zone', 'logs', '--tail', '1', '--timestamps', 'web']);
    assert.match(late.stdout.toString(), /^\d{4}-\d\d-\d\dT[\d:.]+Z bye\n$/);
    assert.equal((await machines.shale(['zone', 'exec', 'web', 'true'])).status, 3);
    assert.equal((await machines.shale(['zone', 'rm', 'web'])).status, 0);
    assert.equal((await machines.shale(['zone', 'inspect', 'web'])).status, 4);
  });

  test('a zone goes on when Shale is killed, is found again, and taken over', async () => {
    const child = machines.start([
      'run',
      '--name',
      'orphan',
      '-i',
      'app',
      'sh',
      '-c',
      'echo ready; cat; echo end',
    ]);
    await shown(child.stdout!, 'ready');
    child.kill('SIGKILL');
    await new Promise(done => child.on('exit', done));
    assert.equal((await machines.shale(['zone', 'exec', 'orphan', 'true'])).status, 0);
    const attached = await machines.shale(['zone', 'attach', 'orphan'], { input: Buffer.from('again\n') });
    assert.deepEqual([attached.status, attached.stdout.toString()], [0, 'again\nend\n'], attached.stderr);
    assert.equal((await machines.shale(['zone', 'rm', 'orphan'])).status, 0);
  });

  test('kill: a signal for the command, or the end of the machine', async () => {
    const script = 'trap "echo hup" HUP; echo ready; while :; do sleep 0.1; done';
    await machines.shale(['run', '-d', '--name', 'k', 'app', 'sh', '-c', script]);
    const logs = machines.start(['zone', 'logs', '-f', 'k']);
    const ended = new Promise(done => logs.on('exit', done));
    await shown(logs.stdout!, 'ready');
    const heard = shown(logs.stdout!, 'hup');
    assert.equal((await machines.shale(['zone', 'kill', '--signal', 'HUP', 'k'])).status, 0);
    await heard;
    assert.equal((await machines.shale(['zone', 'kill', 'k'])).status, 0);
    await ended;
    const { state } = JSON.parse(
      (await machines.shale(['zone', 'inspect', 'k', '--json'])).stdout.toString(),
    );
    assert.equal(state, 'exited');
    assert.equal((await machines.shale(['zone', 'rm', '--all'])).status, 0);
  });

  test('commit: what was written is one more layer', async () => {
    await machines.shale(['run', '-d', '--name', 'build', 'app', 'sleep', '60']);
    const change = 'rm /etc/doomed; mkdir /made; echo new > /made/file; chown app /made/file';
    assert.equal((await machines.shale(['zone', 'exec', 'build', 'sh', '-c', change])).status, 0);
    const args = [
      'zone',
      'commit',
      'build',
      'made:1',
      '-m',
      'by a test',
      '-c',
      'CMD cat /made/file; stat -c %U /made/file; ls /etc/doomed || echo gone',
    ];
    const commit = await machines.shale(args);
    assert.equal(commit.status, 0, commit.stderr);
    assert.match(commit.stdout.toString(), /made@sha256:/);
    assert.equal((await machines.shale(['zone', 'rm', '--force', 'build'])).status, 0);
    const made = await machines.shale(['run', '--rm', 'made:1']);
    assert.deepEqual([made.status, made.stdout.toString()], [0, 'new\napp\ngone\n'], made.stderr);
  });

  test('what is asked for and is not there is said before anything boots', async () => {
    const status = async (...args: string[]) => (await machines.shale(args)).status;
    assert.equal(await status('run', '--policy', 'never', 'nothing:here'), 4);
    assert.equal(await status('run', '--rm', '--memory', '1M', 'app'), 3);
    assert.equal(await status('run', '--name', 'wrong', '-v', 'things', 'app'), 3);
    const { state } = JSON.parse(
      (await machines.shale(['zone', 'inspect', 'wrong', '--json'])).stdout.toString(),
    );
    assert.equal(state, 'failed');
    assert.equal(await status('zone', 'rm', 'wrong'), 0);
    assert.equal(await status('zone', 'exec', 'nobody', 'true'), 4);
    assert.equal(await status('zone', 'logs', 'nobody'), 4);
  });

  test('nothing is left of all this', async () => {
    const { stdout } = await machines.shale(['zone', 'ls', '--json']);
    assert.deepEqual(JSON.parse(stdout.toString()), { zones: [] });
    const left = readdirSync(`${machines.root}/zones`).filter(
      name => !name.startsWith('.') && /^[0-9a-f]{8,}$/.test(name),
    );
    assert.deepEqual(left, []);
  });
});

const other: TestVmm = 'qemu';
// Where the tests above are QEMU's there is nothing to add.
const describeOther = full === other ? () => {} : describe;
describeOther('zones on qemu', { skip: requiresMachine(other) }, () => {
  let machines: Machines;
  before(async () => {
    machines = await createMachines(other);
  });
  after(() => machines[Symbol.dispose]());

  test('output, errors, input, status, a user, in one zone', async () => {
    const { status, stdout, stderr } = await machines.shale(
      ['run', '--rm', '-i', '-u', 'app', 'app', 'sh', '-c', 'cat; id -G; echo err >&2; exit 3'],
      { input: Buffer.from('in\n') },
    );
    assert.deepEqual([status, stdout.toString(), stderr], [3, 'in\n1000 50\n', 'err\n']);
  });

  test('a zone that is left alone is found, entered and stopped', async () => {
    const run = await machines.shale(['run', '-d', '--name', 'web', 'app', 'sleep', '60']);
    assert.equal(run.status, 0, run.stderr);
    const exec = await machines.shale(['zone', 'exec', 'web', 'echo', 'inside']);
    assert.deepEqual([exec.status, exec.stdout.toString()], [0, 'inside\n'], exec.stderr);
    assert.equal((await machines.shale(['zone', 'stop', '--grace', '0', 'web'])).status, 0);
    assert.equal((await machines.shale(['zone', 'rm', 'web'])).status, 0);
  });
});
