import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conversation, FieldWriter, fromGuest, toGuest, writeFrame } from '../../src/zone/protocol/index.ts';
import { startSession } from '../../src/zone/session.ts';
import { FakeGuest, numbers } from './fake-guest.ts';

const text = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks).toString();

function collect() {
  const [out, err]: [Uint8Array[], Uint8Array[]] = [[], []];
  const keep = (list: Uint8Array[]) => (chunk: Uint8Array) => {
    list.push(Uint8Array.prototype.slice.call(chunk));
  };
  return { out, err, streams: { stdout: keep(out), stderr: keep(err) } };
}

for (const cut of [1, 7, 65_536]) {
  test(`output and exit status arrive, in chunks of ${cut}`, async () => {
    const guest = new FakeGuest(cut);
    using conversation = new Conversation(guest.channel());
    guest.say(fromGuest.started, numbers(42));
    guest.say(fromGuest.stdout, Buffer.from('hello '));
    guest.say(fromGuest.stderr, Buffer.from('oops'));
    guest.say(fromGuest.stdout, Buffer.from('world'));
    guest.say(fromGuest.exit, numbers(3, 0, 0));
    const { out, err, streams } = collect();
    const session = await startSession(conversation, streams);
    assert.equal(session.pid, 42);
    const end = await session.ended;
    assert.deepEqual([end.status, end.signal, text(out), text(err)], [3, undefined, 'hello world', 'oops']);
  });
}

test('what an earlier conversation left is passed over', async () => {
  const guest = new FakeGuest(5);
  guest.onFrame = ({ type, payload }) => {
    if (type !== toGuest.hello) return;
    // The end of a frame, a whole frame, and a greeting with somebody else's nonce.
    guest.sayBytes(Buffer.from('rest of an old frame'));
    guest.sayBytes(writeFrame(fromGuest.stdout, Buffer.from('old output')));
    guest.sayBytes(writeFrame(fromGuest.welcome, Buffer.alloc(24, 7)));
    guest.greet(payload.subarray(16), { state: 2 });
    guest.say(fromGuest.started, numbers(1));
    guest.say(fromGuest.exit, numbers(0, 9, 1));
  };
  using conversation = new Conversation(guest.channel());
  const { out, streams } = collect();
  const end = await (await startSession(conversation, streams)).ended;
  assert.deepEqual([end.status, end.signal, end.outOfMemory, text(out)], [undefined, 9, true, '']);
  assert.equal(conversation.welcome?.state, 2);
});

test('an init of another version is unsupported', async () => {
  const guest = new FakeGuest();
  guest.onFrame = ({ payload }) => guest.greet(payload.subarray(16), { version: 2 });
  using conversation = new Conversation(guest.channel());
  await assert.rejects(startSession(conversation, collect().streams), { code: 'unsupported' });
});

test('stdin waits for grants, and its end is told', async () => {
  const guest = new FakeGuest();
  const channel = guest.channel(4096);
  using conversation = new Conversation(channel);
  guest.say(fromGuest.started, numbers(1));
  const input = Buffer.alloc(10_000, 'x');
  async function* stdin() {
    yield input;
  }
  let received = 0;
  let granted = 0;
  const grant = (bytes: number) => {
    granted += bytes;
    guest.say(fromGuest.grant, numbers(bytes));
  };
  guest.onFrame = ({ type, payload }) => {
    if (type === toGuest.hello) guest.greet(payload.subarray(16));
    if (type === toGuest.stdin) {
      received += payload.length;
      assert.ok(received <= granted, `${received} of ${granted}`);
      if (received < input.length && received === granted) grant(3000);
    }
    if (type === toGuest.stdinEnd) guest.say(fromGuest.exit, numbers(0, 0, 0));
  };
  const session = await startSession(conversation, { ...collect().streams, stdin: stdin() });
  grant(100);
  assert.equal((await session.ended).status, 0);
  assert.equal(received, input.length);
});

test('a command that is not there has a status and a reason', async () => {
  const guest = new FakeGuest();
  using conversation = new Conversation(guest.channel());
  guest.say(fromGuest.fail, new FieldWriter().text(1, 'exec').number(2, 2).text(3, 'nope').finish());
  guest.say(fromGuest.exit, numbers(127, 0, 0));
  const end = await (await startSession(conversation, collect().streams)).ended;
  assert.deepEqual([end.status, end.failure?.text], [127, 'nope: no such file or directory']);
});

test("what ends the zone is an error with the guest's words", async () => {
  const guest = new FakeGuest();
  using conversation = new Conversation(guest.channel());
  guest.say(
    fromGuest.fail,
    new FieldWriter().text(1, 'verity').number(2, 5).text(3, 'the image was changed').finish(),
  );
  await assert.rejects(startSession(conversation, collect().streams), {
    code: 'corrupt',
    message: /the image was changed/,
  });
});

test('a zone that hangs up, or says what is not due, ends the session with an error', async () => {
  const guest = new FakeGuest();
  using conversation = new Conversation(guest.channel());
  guest.say(fromGuest.started, numbers(1));
  const session = await startSession(conversation, collect().streams);
  guest.hangUp();
  await assert.rejects(session.ended, { code: 'unavailable' });

  const other = new FakeGuest();
  using second = new Conversation(other.channel());
  other.say(fromGuest.started, numbers(1));
  other.say(fromGuest.entry);
  await assert.rejects((await startSession(second, collect().streams)).ended, { code: 'corrupt' });
});

test('a slow reader makes the guest wait', async () => {
  const guest = new FakeGuest();
  using conversation = new Conversation(guest.channel());
  guest.say(fromGuest.started, numbers(1));
  const gate = Promise.withResolvers<void>();
  let seen = 0;
  const stdout = async () => {
    seen += 1;
    await gate.promise;
  };
  const session = await startSession(conversation, { stdout, stderr() {} });
  for (let index = 0; index < 5; index += 1) guest.say(fromGuest.stdout, Buffer.from('x'));
  guest.say(fromGuest.exit, numbers(0, 0, 0));
  await new Promise(resolve => setImmediate(resolve));
  assert.equal(seen, 1);
  gate.resolve();
  await session.ended;
  assert.equal(seen, 5);
});

test('a serial line is greeted until it answers, and told no more before', async () => {
  const guest = new FakeGuest();
  let greetings = 0;
  guest.onFrame = ({ type, payload }) => {
    if (type === toGuest.hello && ++greetings === 2) guest.greet(payload.subarray(16));
    if (type !== toGuest.boot) return;
    assert.equal(greetings, 2);
    guest.say(fromGuest.booted);
  };
  using conversation = new Conversation(guest.channel(4096));
  await conversation.send(toGuest.boot);
  await conversation.expect(fromGuest.booted);
});

test('a serial line that hangs up without an answer leaves nothing behind', async () => {
  const guest = new FakeGuest();
  guest.onFrame = () => {};
  using conversation = new Conversation(guest.channel(4096));
  guest.hangUp();
  assert.equal(await conversation.receive(), undefined);
});
