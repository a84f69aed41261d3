import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { vmmDriver } from '../../../src/vmm/index.ts';
import { umlArguments } from '../../../src/vmm/uml/arguments.ts';
import { trialExitCode, trialInitramfs, trialStatus } from '../../../src/vmm/uml/trial.ts';
import { createScratch } from '../../host/scratch.ts';
import { requires } from '../../requirement.ts';

test('the trial is an archive that cpio reads, of a program that runs', {
  skip: requires({ tools: ['cpio'] }),
}, () => {
  using scratch = createScratch();
  const unpacked = spawnSync('cpio', ['-i', '--quiet'], { cwd: scratch.path, input: trialInitramfs() });
  assert.equal(unpacked.stderr.toString(), '');
  if (process.arch !== 'x64') return;
  assert.equal(spawnSync(scratch.at('init')).status, trialStatus);
  assert.equal(Number.parseInt(trialExitCode, 16), trialStatus * 256);
});

test('a program that is none is found out', async () => {
  using scratch = createScratch();
  const driver = await vmmDriver('uml');
  const missing = await driver.probe({ kernel: { vmlinux: scratch.at('missing') } });
  assert.equal(missing.usable, false);
  assert.match(missing.hint!, /user-mode-linux/);
  writeFileSync(scratch.at('other'), '#!/bin/sh\necho hello');
  chmodSync(scratch.at('other'), 0o755);
  const other = await driver.probe({ kernel: { vmlinux: scratch.at('other') } });
  assert.equal(other.usable, false);
  assert.match(other.reason!, /no User-Mode Linux/);
});

const skip = requires({ tools: ['linux.uml'] });

test('the kernel boots, is heard, and ends; the probe says whether it runs programs', { skip }, async () => {
  using scratch = createScratch();
  const driver = await vmmDriver('uml');
  const probe = await driver.probe();
  assert.match(probe.version!, /^\d+\.\d+/);
  if (!probe.usable) assert.match(probe.reason!, /processor/, 'on this machine its kernel boots, at least');
  mkdirSync(scratch.at('machine'), { mode: 0o700 });
  writeFileSync(scratch.at('initramfs'), trialInitramfs());
  const machine = await driver.start({
    ...{
      directory: scratch.at('machine'),
      kernel: { vmlinux: probe.program },
      initramfs: scratch.at('initramfs'),
    },
    ...{
      commandLine: ['loglevel=7', 'shale.word=here'],
      memory: 64 * 2 ** 20,
      cpus: 1,
      channels: 2,
      network: 'none',
    },
    disks: [{ path: scratch.at('initramfs'), readOnly: true }],
  });
  const found = driver.find(JSON.parse(JSON.stringify(machine.record)), scratch.at('machine'));
  assert.ok(found);
  found.detach();
  using channel = await machine.connect(1);
  assert.equal(channel.maximumWrite, 4096);
  await assert.rejects(machine.connect(2), { code: 'invalid' });
  await machine.ended;
  assert.match(machine.console.text, /shale\.channels=tty:0:2.*shale\.word=here/);
  assert.match(machine.console.text, /ubda/);
  assert.equal(driver.find(machine.record, scratch.at('machine')), undefined);
  const rest: Uint8Array[] = [];
  for await (const chunk of channel.read()) rest.push(chunk);
  await machine.kill();
});

test('what it cannot do is said before anything starts', { skip }, async () => {
  using scratch = createScratch();
  const driver = await vmmDriver('uml');
  const options = {
    ...{
      directory: scratch.path,
      kernel: { vmlinux: 'linux.uml' },
      initramfs: scratch.at('missing'),
      commandLine: [],
      disks: [],
    },
    ...{ memory: 2 ** 26, cpus: 1, channels: 1 },
  };
  await assert.rejects(driver.start({ ...options, network: 'user' }), { code: 'unsupported' });
  await assert.rejects(driver.start({ ...options, network: 'none', keepMemory: scratch.at('m') }), {
    code: 'unsupported',
  });
  await assert.rejects(driver.start({ ...options, network: 'none' }), { code: 'not-found' });
});

test('the command line has descriptors, never names of files', () => {
  const all = umlArguments({
    ...{ memory: 128 * 2 ** 20, channels: 1, commandLine: [], initramfs: '/proc/self/fd/9' },
    disks: [
      { path: '/proc/self/fd/7', readOnly: true },
      { path: '/proc/self/fd/8', readOnly: false },
    ],
    console: { toGuest: 3, fromGuest: 4 },
    channelPipes: [{ toGuest: 5, fromGuest: 6 }],
  });
  for (const word of [
    'mem=131072K',
    'ubdar=/proc/self/fd/7',
    'ubdb=/proc/self/fd/8',
    'ssl0=fd:5,fd:6',
    'con0=fd:3,fd:4',
  ]) {
    assert.ok(all.includes(word), word);
  }
});
