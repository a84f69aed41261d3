/** The units, as systemd reads them; and its own program that hands sockets over. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bin } from '../cli/fixture.ts';
import { requires } from '../requirement.ts';
import { callUnary, connect, makeScratch, snapshots } from './fixture.ts';

const units = path.join(import.meta.dirname, '..', '..', 'contrib', 'systemd');

test('systemd understands every line of the units', {
  skip: requires({ tools: ['systemd-analyze'] }),
}, () => {
  const scratch = makeScratch();
  try {
    copyFileSync(path.join(units, 'shale.socket'), path.join(scratch, 'shale.socket'));
    const service = readFileSync(path.join(units, 'shale.service'), 'utf8');
    assert.match(service, /^ExecStart=\/usr\/local\/bin\/shale serve /m);
    // Who runs this has Shale somewhere else.
    writeFileSync(path.join(scratch, 'shale.service'), service.replace('/usr/local/bin/shale', bin));
    for (const name of ['shale.socket', 'shale.service']) {
      const verify = ['verify', '--recursive-errors=no', path.join(scratch, name)];
      const { status, stderr } = spawnSync('systemd-analyze', verify, { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, ''], name);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test('systemd opens the socket, and the first call starts the daemon', {
  skip: requires({ tools: ['systemd-socket-activate'], root: true, mounts: ['overlay'] }),
}, async () => {
  const scratch = makeScratch();
  const socket = path.join(scratch, 'shale.sock');
  const command = [process.execPath, bin, 'serve', '--root', path.join(scratch, 'root')];
  const daemon = spawn('systemd-socket-activate', ['--listen', socket, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  daemon.stderr.setEncoding('utf8').on('data', piece => {
    log += piece;
  });
  const ended = once(daemon, 'exit');
  try {
    for (let waited = 0; !existsSync(socket) && waited < 10_000; waited += 20) await sleep(20);
    assert.doesNotMatch(log, /serving/);
    const client = connect(snapshots, socket);
    await callUnary(client, 'Prepare', { key: 'a' });
    const { info } = await callUnary<{ info: { name: string } }>(client, 'Stat', { key: 'a' });
    assert.equal(info.name, 'a');
    client.close();
    assert.match(log, /serving/);
  } finally {
    daemon.kill('SIGTERM');
  }
  assert.deepEqual(await ended, [0, null], log);
  rmSync(scratch, { recursive: true });
});
