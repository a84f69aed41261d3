import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { listen } from '../../src/daemon/listen.ts';
import { makeScratch } from './fixture.ts';

const scratched = async (body: (scratch: string) => Promise<void>) => {
  const scratch = makeScratch();
  try {
    await body(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};
const answers = async (socket: string) => {
  const connection = connect(socket);
  const [text] = await once(connection.setEncoding('utf8'), 'data');
  connection.destroy();
  return text as string;
};
const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

describe('the socket', () => {
  test('is ours alone, and goes with the daemon', () =>
    scratched(async scratch => {
      const socket = path.join(scratch, 'run', 'deep', 'shale.sock');
      const listener = await listen({ path: socket }, connection => connection.end('hello'));
      assert.equal(await answers(socket), 'hello');
      assert.equal(modeOf(socket), '600');
      assert.equal(modeOf(path.dirname(socket)), '700');
      await listener[Symbol.asyncDispose]();
      assert.deepEqual(readdirSync(path.dirname(socket)), []);
    }));

  test('a living daemon’s is left alone, a dead one’s is replaced', () =>
    scratched(async scratch => {
      const socket = path.join(scratch, 's');
      const first = await listen({ path: socket }, connection => connection.end('first'));
      await assert.rejects(
        listen({ path: socket }, () => {}),
        { code: 'conflict' },
      );
      // One that does not know of our lock.
      rmSync(`${socket}.lock`);
      await assert.rejects(
        listen({ path: socket }, () => {}),
        { code: 'conflict', message: /another process/ },
      );
      assert.equal(await answers(socket), 'first');
      await first[Symbol.asyncDispose]();

      const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
      spawnSync(process.execPath, ['-e', program, socket]);
      assert.ok(statSync(socket).isSocket(), 'the dead process has left its socket');
      await using _ = await listen({ path: socket }, connection => connection.end('second'));
      assert.equal(await answers(socket), 'second');
      assert.deepEqual(readdirSync(scratch).sort(), ['s', 's.lock']);
    }));

  test('what is no socket is not replaced', () =>
    scratched(async scratch => {
      const file = path.join(scratch, 'file');
      writeFileSync(file, 'precious');
      await assert.rejects(
        listen({ path: file }, () => {}),
        { code: 'exists', hint: /--address/ },
      );
      assert.deepEqual(readdirSync(scratch), ['file']);
    }));

  test('its directory may have a name of any length', () =>
    scratched(async scratch => {
      const socket = path.join(scratch, 'd'.repeat(120), 'shale.sock');
      await using _ = await listen({ path: socket }, () => {});
      assert.ok(statSync(socket).isSocket());
      await assert.rejects(
        listen({ path: socket }, () => {}),
        { code: 'conflict' },
      );
    }));

  test('where nothing can be made the reason is told', () =>
    scratched(async scratch => {
      writeFileSync(path.join(scratch, 'file'), '');
      await assert.rejects(
        listen({ path: path.join(scratch, 'file', 's') }, () => {}),
        {
          code: 'exists',
          message: /cannot listen at .*file/,
        },
      );
      await assert.rejects(
        listen({ descriptor: 999 }, () => {}),
        { code: 'invalid', message: /descriptor 999/ },
      );
    }));
});
