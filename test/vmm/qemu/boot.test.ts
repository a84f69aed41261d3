import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { isRoot } from '../../../src/host/index.ts';
import { assembleInitramfs, installKernel } from '../../../src/kernel/index.ts';
import { type Machine, type MachineOptions, type VmmDriver, vmmDriver } from '../../../src/vmm/index.ts';
import { guestInit } from '../../../src/zone/guest-init.ts';
import { Conversation, fromGuest, toGuest } from '../../../src/zone/protocol/index.ts';
import { createScratch } from '../../host/scratch.ts';
import { requires } from '../../requirement.ts';

const source = process.env.SHALE_TEST_KERNEL;
const skip =
  requires({ tools: ['qemu-system-x86_64'] }) ||
  (source === undefined && 'no kernel: SHALE_TEST_KERNEL names a .deb of one');
const scratch = createScratch();
after(() => scratch[Symbol.dispose]());
let driver: VmmDriver;
let files: Pick<MachineOptions, 'kernel' | 'initramfs'>;

before(async () => {
  if (skip !== false) return;
  driver = await vmmDriver('qemu');
  const root = scratch.at('root');
  const kernel = await installKernel({ root, from: source });
  const modules = driver.modules({ network: 'none' });
  const initramfs = await assembleInitramfs({ root, kernel, init: guestInit('amd64'), modules });
  files = { kernel: { vmlinux: kernel.vmlinux, bzImage: kernel.bzImage }, initramfs: initramfs.path };
});

let count = 0;

function options(more: Partial<MachineOptions> = {}): MachineOptions {
  count += 1;
  const directory = scratch.at(`machine-${count}`);
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(`${directory}.disk`, Buffer.alloc(2 ** 20));
  return {
    ...files,
    directory,
    disks: [{ path: `${directory}.disk`, readOnly: false }],
    ...{ commandLine: [], memory: 128 * 2 ** 20, cpus: 1, channels: 2, network: 'none' },
    user: isRoot() ? { uid: 60000 + count, gid: 60000 + count } : undefined,
    ...more,
  };
}

/** Init answers on a channel. */
async function greet(machine: Machine, channel = 0): Promise<void> {
  const conversation = new Conversation(await machine.connect(channel));
  try {
    await conversation.send(toGuest.status);
    await conversation.expect(fromGuest.status);
  } finally {
    conversation[Symbol.dispose]();
  }
}

test('init answers, and no name of a disk is to be seen from outside', { skip }, async () => {
  const machine = await driver.start(options());
  try {
    await greet(machine);
    await greet(machine, 1);
    const { pid } = machine.record.process;
    const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    assert.ok(!line.includes(scratch.path), line);
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    await assert.rejects(machine.connect(2), { code: 'invalid' });
  } finally {
    await machine.kill();
  }
  assert.equal((await machine.ended).signal, 'SIGKILL');
  await assert.rejects(machine.connect(0), { code: 'unavailable' });
  assert.equal(driver.find(machine.record, scratch.path), undefined);
});

test('a machine outlives whoever started it, and is found again', { skip, timeout: 60_000 }, async () => {
  const wanted = options();
  const program = `
    import { vmmDriver } from ${JSON.stringify(new URL('../../../src/vmm/index.ts', import.meta.url).href)};
    const machine = await (await vmmDriver('qemu')).start(${JSON.stringify(wanted)});
    process.stdout.write(JSON.stringify(machine.record) + '\\n');
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of starter.stdout) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  starter.kill('SIGKILL');
  const machine = driver.find(JSON.parse(text), wanted.directory);
  assert.ok(machine !== undefined);
  await greet(machine);
  await machine.kill();
  await machine.ended;
});

test('a state is restored, more than once, as another user, with other disks', {
  skip,
  timeout: 60_000,
}, async () => {
  const state = scratch.at('state');
  mkdirSync(state);
  const first = await driver.start(options({ keepMemory: `${state}/memory` }));
  await greet(first);
  const saved = JSON.parse(JSON.stringify(await first.save!({ directory: state })));
  await first.kill();
  const { size, blocks } = statSync(`${state}/memory`);
  assert.equal(size, 128 * 2 ** 20);
  assert.ok(blocks * 512 < size, 'what the guest never touched takes no room');
  const before = statSync(`${state}/memory`).mtimeMs;
  const restored = await Promise.all([1, 2].map(() => driver.start(options({ restore: saved }))));
  for (const machine of restored) {
    await greet(machine);
    await machine.kill();
  }
  assert.equal(statSync(`${state}/memory`).mtimeMs, before, 'nobody has written to it');
  for (const other of [{ version: '0.1.0' }, { platform: 'another' }]) {
    await assert.rejects(driver.start(options({ restore: { ...saved, ...other } })), { code: 'unsupported' });
  }
  utimesSync(`${state}/memory`, 0, 0);
  await assert.rejects(driver.start(options({ restore: saved })), { name: 'VmmError', code: 'corrupt' });
});

test('a panic ends the machine, with the last words on its console', { skip }, async () => {
  const machine = await driver.start(options({ commandLine: ['rdinit=/missing', 'root=/dev/none'] }));
  const { status } = await machine.ended;
  assert.equal(status, 0);
  assert.match(machine.console.text, /Kernel panic/);
  await machine.kill();
});

test('a guest that is not read goes on, and one that hangs is cut off', { skip }, async () => {
  const machine = await driver.start(options({ commandLine: ['loglevel=7'] }));
  machine.detach();
  const found = driver.find(machine.record, scratch.at(`machine-${count}`))!;
  await greet(found);
  await found.kill();
  await found.kill();
});

test('a start is cancelled', { skip }, async () => {
  await assert.rejects(driver.start(options({ signal: AbortSignal.abort() })), { code: 'cancelled' });
});

test('a disk that is not there, and a kernel of the wrong kind, are told', { skip }, async () => {
  const missing = [{ path: scratch.at('missing'), readOnly: true }];
  await assert.rejects(driver.start(options({ disks: missing })), { code: 'not-found' });
  await assert.rejects(driver.start(options({ kernel: { bzImage: files.kernel.bzImage } })), {
    code: 'unsupported',
  });
});
