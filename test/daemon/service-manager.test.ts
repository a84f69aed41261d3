/** What systemd does for its services, done by hand: it hands over a socket, hears of our state, and wants a sign of life. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { requires } from '../requirement.ts';
import { callUnary, connect, makeScratch, snapshots } from './fixture.ts';

const shale = path.join(import.meta.dirname, '..', '..', 'bin', 'shale.js');

/** Opens the socket as descriptor 3, sets the variables with its own pid, and becomes the daemon. */
const activate = `
import os, socket, sys
path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
listener.listen(8)
if listener.fileno() != 3: os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execv(command[0], command)
`;
/** Prints each datagram that comes, a line each. */
const hear = `
import socket, sys
address = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + address[1:] if address[0] == '@' else address)
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ' '), flush=True)
`;

class Hearing implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor(address: string) {
    this.#child = spawn('python3', ['-c', hear, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    this.#child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (text + piece).split('\n');
      text = lines.pop()!;
      this.lines.push(...lines);
    });
  }

  async until(wanted: RegExp): Promise<void> {
    for (let waited = 0; !this.lines.some(line => wanted.test(line)); waited += 20) {
      if (waited > 20_000) throw new Error(`never heard ${wanted}: ${this.lines.join(' | ')}`);
      await new Promise(done => setTimeout(done, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
  }
}

describe('a service manager', {
  skip: requires({ tools: ['python3'], root: true, mounts: ['overlay'] }),
}, () => {
  for (const kind of ['a path', 'an abstract name'] as const) {
    test(`hands over a socket, is told of every state at ${kind}, and gets signs of life`, async () => {
      const scratch = makeScratch();
      const socket = path.join(scratch, 'activated.sock');
      const address = kind === 'a path' ? path.join(scratch, 'notify') : `@shale-test-${process.pid}`;
      await using hearing = new Hearing(address);
      await hearing.until(/bound/);
      const command = [process.execPath, shale, 'serve', '--root', path.join(scratch, 'root')];
      const daemon = spawn('python3', ['-c', activate, socket, ...command], {
        env: { ...process.env, NOTIFY_SOCKET: address, WATCHDOG_USEC: '200000' },
        stdio: ['ignore', 'inherit', 'pipe'],
      });
      let log = '';
      daemon.stderr.setEncoding('utf8').on('data', piece => {
        log += piece;
      });
      const ended = once(daemon, 'exit');
      try {
        await hearing.until(/^READY=1 STATUS=serving at descriptor 3$/);
        const client = connect(snapshots, socket);
        await callUnary(client, 'Prepare', { key: 'a' });
        client.close();
        await hearing.until(/^WATCHDOG=1$/);
      } finally {
        daemon.kill('SIGTERM');
      }
      assert.deepEqual(await ended, [0, null], log);
      await hearing.until(/^STOPPING=1/);
      assert.ok(statSync(socket).isSocket(), 'the socket is the service manager’s, and stays');
      for (const line of log.trimEnd().split('\n'))
        assert.equal(typeof JSON.parse(line).time, 'string', line);
    });
  }

  test('variables that are meant for another process mean nothing', () => {
    const scratch = makeScratch();
    const socket = path.join(scratch, 'own.sock');
    const program = [
      ...['-s', 'TERM', '3', process.execPath, shale],
      ...['serve', '--root', path.join(scratch, 'root'), '--address', socket, '--log-level', 'error'],
    ];
    const environment = {
      ...process.env,
      LISTEN_PID: '1',
      LISTEN_FDS: '1',
      NOTIFY_SOCKET: path.join(scratch, 'nobody'),
    };
    execFileSync('timeout', ['--preserve-status', ...program], { env: environment, stdio: 'pipe' });
    assert.equal(existsSync(socket), false, 'it was removed when the daemon stopped');
    rmSync(scratch, { recursive: true, force: true });
  });
});
