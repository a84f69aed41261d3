import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { type Daemon, findProgram, isRoot } from '../../src/host/index.ts';
import { confine } from '../../src/vmm/confinement.ts';
import { type LaunchOptions, launch } from '../../src/vmm/launch.ts';
import { MachineProcess } from '../../src/vmm/machine-process.ts';
import { createScratch, needsLinux } from '../host/scratch.ts';
import { requires } from '../requirement.ts';

const skip = needsLinux || requires({ tools: ['unshare', 'setpriv', 'mount'] });
const uid = 54321;

async function withProgram(
  script: string,
  more: Partial<LaunchOptions>,
  use: (daemon: Daemon, directory: string) => void | Promise<void>,
): Promise<void> {
  using scratch = createScratch();
  const directory = scratch.at('machine');
  mkdirSync(directory, { mode: 0o700 });
  const daemon = await launch({
    program: findProgram('sh')!,
    arguments: ['-c', script],
    machine: { directory, network: 'none', user: isRoot() ? { uid, gid: uid } : undefined },
    descriptors: [],
    ready: 'up',
    ...more,
  });
  try {
    await use(daemon, directory);
  } finally {
    await new MachineProcess(daemon).kill();
    daemon.detach();
  }
}

const statusOf = (pid: number) =>
  new Map(
    readFileSync(`/proc/${pid}/status`, 'latin1')
      .split('\n')
      .map(line => line.split(':\t') as [string, string]),
  );
const namespaceOf = (pid: number | 'self', name: string) => readlinkSync(`/proc/${pid}/ns/${name}`);

test('a hypervisor has no privilege, no namespace and no user of ours', { skip }, async t => {
  await withProgram('touch up; exec sleep 60', {}, ({ identity: { pid } }) => {
    const status = statusOf(pid);
    assert.equal(status.get('NoNewPrivs'), '1');
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) assert.match(status.get(set)!, /^0+$/, set);
    if (isRoot()) {
      assert.match(status.get('CapBnd')!, /^0+$/);
      for (const ids of ['Uid', 'Gid']) assert.equal(status.get(ids), Array(4).fill(uid).join('\t'));
      assert.equal(status.get('Groups')!.trim(), '');
    }
    assert.match(readFileSync(`/proc/${pid}/limits`, 'latin1'), /^Max core file size +0 /m);
    const [mine, its] = ['self' as const, pid].map(of => namespaceOf(of, 'mnt'));
    if (mine === its) return t.skip('namespaces are not allowed here');
    for (const name of ['net', 'ipc', 'uts'])
      assert.notEqual(namespaceOf(pid, name), namespaceOf('self', name), name);
  });
});

test('with a network it has that of the host', { skip }, async () => {
  using scratch = createScratch();
  const machine = { directory: scratch.path, network: 'user' as const, user: undefined };
  await withProgram('touch up; exec sleep 60', { machine }, ({ identity: { pid } }) => {
    assert.equal(namespaceOf(pid, 'net'), namespaceOf('self', 'net'));
  });
});

const needsNamespaces = skip || (!isRoot() && 'needs root');

test('it sees no home, no data, no other process; its own directory it sees', {
  skip: needsNamespaces,
}, async () => {
  const script =
    'ls / /tmp /home /root /var /run /dev/shm /proc > seen; cat /proc/self/mounts > mounts; touch up; exec sleep 60';
  await withProgram(script, {}, ({ identity: { pid } }, directory) => {
    const seen = readFileSync(`${directory}/seen`, 'latin1');
    for (const hidden of ['/tmp', '/home', '/root', '/var', '/run', '/dev/shm']) {
      const [, listing] = new RegExp(`^${hidden}:\\n((?:[^/\\n].*\\n)*)`, 'm').exec(`${seen}\n`)!;
      assert.equal(listing!.trim(), '', hidden);
    }
    const processes = seen
      .slice(seen.indexOf('/proc:'))
      .split('\n')
      .filter(name => /^\d+$/.test(name));
    assert.deepEqual(
      processes.filter(number => number !== String(pid)).length <= 1,
      true,
      `only itself and ls: ${processes}`,
    );
    assert.ok(
      !readFileSync('/proc/self/mounts', 'latin1').includes('shale '),
      'no mount appears on the host',
    );
  });
});

test('it inherits what it is given, and a directory of shared memory if it needs one', {
  skip: needsNamespaces,
}, async () => {
  const script = 'echo x > /dev/shm/file && touch up; exec sleep 60';
  await withProgram(script, { sharedMemory: 2 ** 20 }, ({ identity: { pid } }) => {
    const open = readdirSync(`/proc/${pid}/fd`).filter(fd => Number(fd) > 2);
    assert.deepEqual(open, []);
  });
});

test('the end before it is up is an error with its own words; being late is one too', { skip }, async () => {
  const nothing = () => assert.fail();
  await assert.rejects(withProgram('echo no such thing >&2; exit 7', {}, nothing), {
    name: 'VmmError',
    code: 'unavailable',
    message: /no such thing/,
    detail: { status: 7, signal: undefined },
  });
  await assert.rejects(withProgram('exec sleep 60', { timeout: 100 }, nothing), { code: 'unavailable' });
});

test('killing ends the whole process group, and says so to who waits', { skip }, async () => {
  await withProgram('sleep 60 & echo $! > child; touch up; wait', {}, async ({ identity }, directory) => {
    const found = MachineProcess.find(JSON.parse(JSON.stringify(identity)))!;
    const child = Number(readFileSync(`${directory}/child`, 'latin1'));
    await found.kill();
    assert.deepEqual(await found.ended, { status: undefined, signal: undefined, stderr: '' });
    assert.equal(MachineProcess.find(identity), undefined);
    const state = () => {
      try {
        return /\) (\w)/.exec(readFileSync(`/proc/${child}/stat`, 'latin1'))?.[1];
      } catch {
        return 'gone';
      }
    };
    for (let turn = 0; turn < 100 && !['Z', 'gone'].includes(state()!); turn += 1)
      await new Promise(next => setTimeout(next, 5));
    assert.match(state()!, /Z|gone/);
  });
});

test('confined or not, arguments arrive as they are', () => {
  using scratch = createScratch();
  const odd = ['$(touch x)', 'a b', "'", '--', '-x'];
  for (const level of ['namespaces', 'identity', 'privileges'] as const) {
    const { arguments: all } = confine('/bin/true', odd, { directory: scratch.path, level, network: false });
    assert.deepEqual(all.slice(-odd.length - 2), ['--', '/bin/true', ...odd]);
  }
});
