/** What a zone is like from the inside: the image as it was built, a clean process, and images that mean harm. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { execZone } from '../../src/engine/index.ts';
import { layer, writeImage } from '../cli/fixture.ts';
import {
  busyboxLayer,
  createMachines,
  type Machines,
  requiresMachine,
  type TestVmm,
} from './machine-fixture.ts';

const chosen = process.env.SHALE_TEST_VMM as TestVmm | undefined;
const vmm: TestVmm = chosen ?? (requiresMachine('qemu') === false ? 'qemu' : 'uml');

describe(`inside of zones on ${vmm}`, { skip: requiresMachine(vmm) }, () => {
  let machines: Machines;
  before(async () => {
    machines = await createMachines(vmm);
  });
  after(() => machines[Symbol.dispose]());
  const image = async (name: string, items: Parameters<typeof layer>[0], config: object = {}) => {
    const source = await writeImage(machines.file(name), [busyboxLayer(), layer(items)], { config });
    const { status, stderr } = await machines.shale(['copy', source, `cache:${name}`, '-q']);
    assert.equal(status, 0, stderr);
  };
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await machines.shale(['run', '--rm', ...args]);
    return { status, lines: stdout.toString().trimEnd().split('\n'), err: stderr };
  };

  test('files are as in the image, and the process is a clean one', async () => {
    await image(
      'quirks',
      {
        // Lines that are none, one with a NUL, ids that are none: what follows counts.
        'etc/passwd':
          '\0:::\n\n:::\nme:x:-1:1::/no\nme:x:99999999999:1::/no\nme:x:4000000000:7::/home/me:/bin/sh\n',
        'etc/group': 'mine:x:7:\nmore:x:8:,,you,me\nnone:x:4294967295:me\nlast:x:4294967294:me',
        'etc/hosts': { type: 'symlink', linkpath: '/data/hosts' },
        'etc/.wh.doomed': '',
        'bin/own': { type: 'hardlink', linkpath: 'bin/busybox' },
        'bin/su-id': { content: '', mode: 0o4755 },
        'srv/null': { type: 'character', major: 1, minor: 3, mode: 0o666 },
      },
      { User: 'me', WorkingDir: '/not/there', Env: ['PATH=/bin', 'HOST=x'] },
    );
    const script = [
      'pwd; echo $HOME; umask; id -u; id -g; id -G',
      'stat -c "%a %h" /bin/su-id /bin/own; echo x > /srv/null && stat -c %F /srv/null',
      'ls /etc/doomed 2>/dev/null; grep -c localhost /etc/hosts /data/hosts',
      'grep -E "^(SigBlk|SigIgn|CapEff|CapInh|CapAmb|NoNewPrivs)" /proc/self/status | tr -s "\\t" " "',
      'ls /proc/self/fd | tr "\\n" " "; cat /proc/self/oom_score_adj; cut -d" " -f 4-6 /proc/$$/stat',
      // The shell of each group ends first: its children are process 1's.
      'for n in 1 2 3 4 5 6 7 8 9; do (true & true & (sleep 0.1 &) &) ; done; sleep 0.5',
      'grep -l "^State:.Z" /proc/[0-9]*/status | wc -l',
    ].join('\n');
    const { lines, err } = await run('quirks', 'sh', '-c', script);
    const none = '0000000000000000';
    assert.deepEqual(
      lines,
      [
        ...['/not/there', '/home/me', '0022', '4000000000', '7', '7 8 4294967294'],
        ...['4755 1', '755 2', 'character special file', '/etc/hosts:2', '/data/hosts:2'],
        ...[`SigBlk: ${none}`, `SigIgn: ${none}`, `CapInh: ${none}`, `CapEff: ${none}`, `CapAmb: ${none}`],
        ...['NoNewPrivs: 0', '0 1 2 3 0', '0 2 2', '0'],
      ],
      err,
    );
  });

  test('an image that leads init astray gets a zone of its own, or none', async () => {
    await image('hidden', { proc: { type: 'symlink', linkpath: '/' } });
    const hidden = await run('hidden', 'true');
    assert.equal(hidden.status, 3);
    assert.match(hidden.err, /mounting \/proc: /);
    await image('stuck', {
      'etc/passwd': { type: 'fifo' },
      'etc/group': { type: 'symlink', linkpath: '/dev/zero' },
      'etc/resolv.conf': { type: 'symlink', linkpath: '../../../../run/resolv.conf' },
      sys: { type: 'symlink', linkpath: '../../rw' },
    });
    const stuck = await run(
      '-u',
      '12:34',
      'stuck',
      'sh',
      '-c',
      'grep -E "^[UG]id" /proc/self/status | cut -f2; ls -d /rw/kernel',
    );
    assert.deepEqual([stuck.status, stuck.lines], [0, ['12', '34', '/rw/kernel']], stuck.err);
  });

  test('a directory to start in is made where the root is read-only', async () => {
    const { status, lines } = await run('--read-only', '-w', '/new/one', 'app', 'sh', '-c', 'pwd; touch x');
    assert.deepEqual([status, lines], [1, ['/new/one']]);
  });

  test('conversations take turns on few channels, and none ends another', async () => {
    const started = await machines.shale(['run', '-d', '--name', 'turns', 'app', 'sleep', '60']);
    assert.equal(started.status, 0, started.stderr);
    const exec = async (number: number) => {
      let out = '';
      const { status } = await execZone('turns', {
        root: machines.root,
        command: ['sh', '-c', `echo said ${number}; exit ${number}`],
        streams: {
          stdout: chunk => {
            out += Buffer.from(chunk).toString();
          },
          stderr: () => {},
        },
        signal: AbortSignal.timeout(20_000),
      });
      return `${status} ${out}`;
    };
    const numbers = Array.from({ length: 8 }, (_, number) => number);
    for (let round = 0; round < 12; round += 1)
      assert.deepEqual(
        await Promise.all(numbers.map(exec)),
        numbers.map(number => `${number} said ${number}\n`),
      );
    assert.equal((await machines.shale(['zone', 'rm', '--force', 'turns'])).status, 0);
  });
});
