import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { QmpClient } from '../../../src/vmm/qemu/qmp.ts';
import { createScratch } from '../../host/scratch.ts';

/** As QEMU greets (qmp-spec.txt, 2.2). */
const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}\r\n';
type Answers = (command: string, socket: Socket, parameters: unknown) => void;

async function withServer(
  answers: Answers,
  use: (socket: Socket) => Promise<void>,
  hello = greeting,
): Promise<void> {
  using scratch = createScratch();
  const server = createServer(socket => {
    socket.write(hello);
    let pending = '';
    socket.on('data', data => {
      const lines = (pending + data).split('\n');
      pending = lines.pop()!;
      for (const line of lines) {
        const { execute, arguments: parameters } = JSON.parse(line);
        if (execute === 'qmp_capabilities') socket.write('{"return": {}}\r\n');
        else answers(execute, socket, parameters);
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>(resolve => server.listen(scratch.at('qmp'), resolve));
  try {
    await use(connect(scratch.at('qmp')));
  } finally {
    server.close();
  }
}

test('answers come in the order of the commands, events in between', async () => {
  const answers: Answers = (command, socket, parameters) => {
    socket.write('{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}\r\n');
    socket.write(`{"return": ${JSON.stringify({ command, parameters })}}\r\n`);
  };
  await withServer(answers, async socket => {
    using client = await QmpClient.open(socket);
    const events: string[] = [];
    client.onEvent(({ event }) => events.push(event));
    const both = [client.execute('one', { a: 1 }), client.execute('two')];
    assert.deepEqual(await Promise.all(both), [{ command: 'one', parameters: { a: 1 } }, { command: 'two' }]);
    assert.deepEqual(events, ['STOP', 'STOP']);
  });
});

test('an answer may come in pieces, and several at once', async () => {
  const answers: Answers = (command, socket) => {
    if (command === 'first') return;
    const text = Buffer.from('{"return": "grün"}\r\n{"return": 2}\r\n');
    for (const byte of text) socket.write(Buffer.of(byte));
  };
  await withServer(answers, async socket => {
    using client = await QmpClient.open(socket);
    assert.deepEqual(await Promise.all([client.execute('first'), client.execute('second')]), ['grün', 2]);
  });
});

test('a refusal is an error with its reason, and the conversation goes on', async () => {
  const answers: Answers = (command, socket) => {
    if (command === 'good') socket.write('{"return": true}\r\n');
    else socket.write('{"error": {"class": "GenericError", "desc": "no such thing"}}\r\n');
  };
  await withServer(answers, async socket => {
    using client = await QmpClient.open(socket);
    await assert.rejects(client.execute('bad'), {
      name: 'VmmError',
      code: 'unavailable',
      message: /bad.*no such thing/,
    });
    assert.equal(await client.execute('good'), true);
  });
});

for (const [what, line] of [
  ['no JSON', 'hello\r\n'],
  ['no object', '[1]\r\n'],
  ['null', 'null\r\n'],
  ['neither result nor error', '{"x": 1}\r\n'],
] as const) {
  test(`${what} in place of an answer is an error`, async () => {
    await withServer(
      (_, socket) => socket.write(line),
      async socket => {
        using client = await QmpClient.open(socket);
        await assert.rejects(client.execute('anything'), { name: 'VmmError' });
      },
    );
  });
}

test('no greeting but something else is an error', async () => {
  await withServer(
    () => {},
    socket => assert.rejects(QmpClient.open(socket), { name: 'VmmError' }),
    'SSH-2.0-OpenSSH\r\n',
  );
});

test('a hang-up fails what waits, and what comes later', async () => {
  await withServer(
    (_, socket) => socket.destroy(),
    async socket => {
      using client = await QmpClient.open(socket);
      await assert.rejects(client.execute('quit'), { code: 'unavailable' });
      await assert.rejects(client.execute('quit'), { code: 'unavailable' });
    },
  );
});

test('silence ends in time', async () => {
  await withServer(
    () => {},
    async socket => {
      using client = await QmpClient.open(socket);
      await assert.rejects(client.execute('wait', undefined, { timeout: 50 }), {
        code: 'unavailable',
        message: /wait/,
      });
    },
  );
});
