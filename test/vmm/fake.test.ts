/** The stand-ins themselves: a driver that is tried against them has to keep to the published APIs. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { untilListening } from './api-drivers.ts';
import { Workshop } from './fake/install.ts';

interface Fake extends AsyncDisposable {
  readonly directory: string;
  readonly process: ChildProcess;
  ask(method: string, path: string, body?: unknown): Promise<string>;
}

async function start(workshop: Workshop, name: string, ...words: string[]): Promise<Fake> {
  const directory = workshop.directory();
  const child = spawn(join(workshop.path, 'bin', name), words, { cwd: directory, stdio: 'ignore' });
  const ended = new Promise(resolve => child.once('exit', resolve));
  const socketPath = join(directory, 'api.sock');
  await untilListening(directory);
  return {
    directory,
    process: child,
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? '' : JSON.stringify(body);
        const headers = { 'Content-Length': Buffer.byteLength(text) };
        const asking = request({ socketPath, method, path, headers }, async response => {
          let answer = '';
          for await (const chunk of response) answer += String(chunk);
          resolve(`${response.statusCode} ${answer}`);
        });
        asking.on('error', reject);
        asking.end(text);
      }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const elf = '\x7fELF';

test('Firecracker’s: what comes too early, too late, or is not in the description', async () => {
  using workshop = new Workshop();
  const kernel = workshop.file('vmlinux', elf);
  await using fake = await start(workshop, 'firecracker', '--api-sock', 'api.sock');
  const asks: readonly [method: string, path: string, body: unknown, answer: RegExp][] = [
    ['PATCH', '/vm', { state: 'Paused' }, /^400 .*not supported before starting the microVM/],
    ['PUT', '/actions', { action_type: 'InstanceStart' }, /^400 .*without kernel configuration/],
    ['PUT', '/actions', { action_type: 'Start' }, /^400 .*unknown variant `Start`/],
    ['PUT', '/boot-source', { boot_args: '' }, /^400 .*missing field `kernel_image_path`/],
    ['PUT', '/boot-source', { kernel_image_path: kernel, kernel: '' }, /^400 .*unknown field `kernel`/],
    ['PUT', '/boot-source', { kernel_image_path: '/dev/null/nowhere' }, /^400 .*os error 20/],
    ['PUT', '/boot-source', undefined, /^400 .*Empty PUT request/],
    ['PUT', '/machine-config', { vcpu_count: 33, mem_size_mib: 1 }, /^400 .*1 to 32/],
    ['PUT', '/machine-config', { vcpu_count: 1, mem_size_mib: '1' }, /^400 .*invalid type/],
    ['PUT', '/drives/a-b', { drive_id: 'a-b', is_root_device: false }, /^400 .*alphanumeric/],
    ['PUT', '/drives/a', { drive_id: 'b', is_root_device: false }, /^400 .*does not match/],
    ['PUT', '/vsock', { guest_cid: 2, uds_path: 'v' }, /^400 .*guest_cid/],
    ['GET', '/nothing', undefined, /^400 .*Invalid request method and\/or path/],
    ['PUT', '/boot-source', { kernel_image_path: kernel }, /^204 $/],
    [
      'PUT',
      '/snapshot/load',
      { snapshot_path: 'x', mem_file_path: 'y' },
      /^400 .*not allowed after configuring/,
    ],
  ];
  for (const [method, path, body, answer] of asks) assert.match(await fake.ask(method, path, body), answer);
  const snapshot = { snapshot_path: 'x', mem_file_path: 'y' };
  assert.match(await fake.ask('PUT', '/actions', { action_type: 'InstanceStart' }), /^204 $/);
  assert.match(await fake.ask('PUT', '/boot-source', { kernel_image_path: kernel }), /^400 .*after starting/);
  assert.match(await fake.ask('PUT', '/snapshot/create', snapshot), /^400 .*not allowed/);
  assert.match(await fake.ask('PATCH', '/vm', { state: 'Paused' }), /^204 $/);
  assert.match(await fake.ask('PUT', '/snapshot/create', snapshot), /^204 $/);
});

test('Cloud Hypervisor’s: what comes too early, twice, or is not in the description', async () => {
  using workshop = new Workshop();
  const kernel = workshop.file('vmlinux', elf);
  await using fake = await start(workshop, 'cloud-hypervisor', '--api-socket', 'path=api.sock');
  const ask = (name: string, body?: unknown) => fake.ask('PUT', `/api/v1/${name}`, body);
  assert.match(await ask('vm.boot'), /^404 .*not created/);
  assert.match(await ask('vm.pause'), /^404 /);
  assert.match(await ask('vm.create'), /^400 /);
  assert.match(await ask('vm.create', {}), /^400 .*missing field `payload`/);
  assert.match(await ask('vm.create', { payload: { vmlinux: kernel } }), /^400 .*unknown field `vmlinux`/);
  assert.match(await ask('vm.create', { payload: { kernel }, cpus: { boot_vcpus: 1 } }), /^400 .*max_vcpus/);
  assert.match(await ask('vm.create', { payload: { kernel }, vsock: { cid: 1, socket: 'v' } }), /^400 .*cid/);
  assert.match(await ask('vm.create', { payload: { kernel } }), /^204 $/);
  assert.match(await ask('vm.create', { payload: { kernel } }), /^500 .*already created/);
  assert.match(await ask('vm.restore', { source_url: 'file:///x' }), /^500 .*already created/);
  assert.match(await ask('vm.pause'), /^405 /);
  assert.match(await ask('vm.boot', {}), /^400 /);
  assert.match(await ask('vm.boot'), /^204 $/);
  assert.match(await ask('vm.resume'), /^405 /);
  assert.match(await ask('vm.snapshot', { destination_url: 'file://.' }), /^405 /);
  assert.match(await ask('vm.pause'), /^204 $/);
  assert.match(await ask('vm.snapshot', { destination_url: '.' }), /^500 .*Could not extract path/);
  assert.match(await ask('vm.snapshot', { destination_url: 'file://nowhere' }), /^500 .*not a directory/);
  assert.match(await fake.ask('GET', '/api/v1/vm.boot'), /^400 /);
  assert.match(await fake.ask('PUT', '/vm.boot'), /^404 /);
});

test('words that the programs do not know', async () => {
  using workshop = new Workshop();
  for (const [name, status, ...words] of [
    ['firecracker', 153, '--api-socket', 'x'],
    ['cloud-hypervisor', 2, '--api-sock', 'x'],
  ] as const) {
    const child = spawn(join(workshop.path, 'bin', name), words, { stdio: 'ignore' });
    assert.equal(await new Promise(resolve => child.once('exit', resolve)), status);
  }
});
