import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShaleError } from '../../src/error/index.ts';
import { type ChangeEntry, writeChangesLayer } from '../../src/layer/index.ts';
import { receiveChanges } from '../../src/zone/index.ts';
import { entryField, FieldWriter, type Frame, fromGuest } from '../../src/zone/protocol/index.ts';
import { Scratch } from '../engine/scratch.ts';
import { change, root, types } from '../layer/diff/changes.ts';
import { createRandom, readSeed } from '../model/random.ts';

const seed = readSeed();

/** ENTRY as init writes it. */
function entryFrame(entry: ChangeEntry): Frame {
  const fields = new FieldWriter()
    .bytes(entryField.path, Buffer.from(entry.path, 'latin1'))
    .number(entryField.mode, entry.mode)
    .number(entryField.uid, entry.uid)
    .number(entryField.gid, entry.gid)
    .number(entryField.seconds, BigInt.asUintN(64, BigInt(entry.mtime.seconds)))
    .number(entryField.nanoseconds, entry.mtime.nanoseconds)
    .number(entryField.inode, entry.inode)
    .number(entryField.links, entry.links);
  if (entry.device !== undefined) {
    fields.number(entryField.device, BigInt(entry.device.major) * 2n ** 32n + BigInt(entry.device.minor));
  }
  if (entry.size !== undefined) fields.number(entryField.size, entry.size);
  if (entry.target !== undefined) fields.bytes(entryField.target, Buffer.from(entry.target, 'latin1'));
  for (const [name, value] of entry.xattrs) {
    fields.bytes(entryField.xattr, Buffer.concat([Buffer.from(`${name}\0`, 'latin1'), value]));
  }
  return { type: fromGuest.entry, payload: fields.finish() };
}

function committed(count: number): Frame {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64LE(BigInt(count));
  return { type: fromGuest.committed, payload };
}

const data = (text: string): Frame => ({ type: fromGuest.data, payload: Buffer.from(text) });

/** Hands frames out in one buffer, as a channel may: what came before is gone. */
function channel(frames: readonly Frame[]): () => Promise<Frame | undefined> {
  const left = [...frames];
  let last: Buffer | undefined;
  return async () => {
    last?.fill(0xee);
    const frame = left.shift();
    if (frame === undefined) return undefined;
    last = Buffer.from(frame.payload);
    return { type: frame.type, payload: last };
  };
}

async function receive(frames: readonly Frame[]): Promise<[ChangeEntry, string][]> {
  const found: [ChangeEntry, string][] = [];
  for await (const { content, ...entry } of receiveChanges(channel(frames))) {
    let text = '';
    for await (const chunk of content!) text += Buffer.from(chunk).toString();
    found.push([entry, text]);
  }
  return found;
}

const entries = [
  root(),
  change('b\xff', 'block', { device: { major: 4095, minor: 1_048_575 } }),
  change('dir', 'directory', {
    mtime: { seconds: -1, nanoseconds: 7 },
    xattrs: new Map([['user.a', Buffer.from('b\0c')]]),
  }),
  change('file', 'file', { size: 11, inode: 2n ** 64n - 1n, links: 2, mode: types.file + 0o4755 }),
  change('link', 'symlink', { target: 'to\xfe' }),
];
const frames = [
  ...entries.slice(0, 4).map(entryFrame),
  data('hello '),
  data('world'),
  entryFrame(entries[4]!),
  committed(5),
];

test('entries come as they were sent, with their content', async () => {
  const expected = entries.map(({ content: _, ...entry }) => ({
    target: undefined,
    device: undefined,
    size: undefined,
    ...entry,
  }));
  const found = await receive(frames);
  assert.deepEqual(
    found.map(([entry]) => entry),
    expected,
  );
  assert.deepEqual(
    found.map(([, text]) => text),
    ['', '', '', 'hello world', ''],
  );
});

for (const [name, broken, code] of [
  ['a stream that ends', frames.slice(0, -1), 'unavailable'],
  ['one that ends in a file', frames.slice(0, 5), 'unavailable'],
  ['a wrong number', [...frames.slice(0, -1), committed(4)], 'corrupt'],
  ['no number', [...frames.slice(0, -1), { type: fromGuest.committed, payload: Buffer.alloc(3) }], 'corrupt'],
  ['data before an entry', [data('x'), ...frames], 'corrupt'],
  [
    'another message',
    [frames[0]!, { type: fromGuest.stdout, payload: Buffer.alloc(0) }, ...frames.slice(1)],
    'corrupt',
  ],
  ['an entry without fields', [{ type: fromGuest.entry, payload: Buffer.alloc(0) }], 'corrupt'],
] as const) {
  test(`${name} is refused`, async () => {
    await assert.rejects(receive(broken), (error: ShaleError) => error.code === code);
  });
}

test("the guest's own failure is told", async () => {
  const payload = new FieldWriter().text(1, 'commit').number(2, 5).text(3, 'read /x').finish();
  await assert.rejects(receive([frames[0]!, { type: fromGuest.fail, payload }]), /read \/x/);
});

test('content that nobody reads is not passed over', async () => {
  const read = async () => {
    for await (const _ of receiveChanges(channel(frames)));
  };
  await assert.rejects(read(), (error: ShaleError) => error.code === 'corrupt');
});

test(`whatever the guest sends makes a layer or a typed error (SEED=${seed})`, async () => {
  const random = createRandom(seed);
  using scratch = new Scratch();
  for (let round = 0; round < 300; round++) {
    const damaged: Frame[] = frames.map(({ type, payload }) => ({ type, payload: Buffer.from(payload) }));
    for (let count = 1 + random.integer(3); count > 0; count--) {
      const at = random.integer(damaged.length);
      const { payload } = damaged[at]!;
      const kind = random.integer(6);
      if (kind === 0) damaged.splice(at, 1);
      else if (kind === 1) damaged.splice(at, 0, damaged[random.integer(damaged.length)]!);
      else if (kind === 2) damaged[at] = { type: random.pick<number>([74, 75, 76, 73, 1]), payload };
      else if (payload.length > 0)
        payload[random.integer(payload.length)] = random.pick([0, 1, 0x2e, 0x2f, 0xff, random.integer(256)]);
      if (damaged.length === 0) damaged.push(committed(0));
    }
    try {
      await writeChangesLayer(receiveChanges(channel(damaged)), scratch.file(`layer-${round}`));
    } catch (error) {
      assert.ok(error instanceof ShaleError, String((error as Error).stack));
      assert.notEqual(error.code, 'internal', error.stack);
    }
  }
});
