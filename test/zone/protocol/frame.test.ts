import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FieldWriter,
  type Frame,
  FrameReader,
  readFields,
  readNumber,
  writeFrame,
  writeMessage,
} from '../../../src/zone/protocol/index.ts';
import { createRandom, readSeed } from '../../model/random.ts';

const more = 66;

function readAll(bytes: Uint8Array, cut: number): Frame[] {
  const reader = new FrameReader(more);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += cut) {
    for (const { type, payload } of reader.push(bytes.subarray(at, at + cut))) {
      frames.push({ type, payload: Buffer.from(payload) });
    }
  }
  return frames;
}

test('messages of any size come out as they went in, however the stream is cut', () => {
  const messages = [0, 1, 4088, 4089, 65_536, 65_537, 200_000].map((size, index) => ({
    type: 69 + index,
    payload: Buffer.alloc(size, index + 1),
  }));
  for (const room of [4096, 65_544]) {
    const stream = Buffer.concat(messages.flatMap(message => [...writeMessage(message, more, room)]));
    for (const cut of [1, 7, 511, 4096, stream.length]) {
      assert.deepEqual(readAll(stream, cut), messages, `room ${room}, cut ${cut}`);
    }
  }
});

test('no write is larger than the room', () => {
  const writes = [...writeMessage({ type: 4, payload: new Uint8Array(20_000) }, 2, 4096)];
  assert.ok(writes.every(({ length }) => length <= 4096));
  assert.deepEqual(
    writes.map(bytes => bytes[4]),
    [2, 2, 2, 2, 4],
  );
});

test('a header that can be none is corrupt, and so is a message without an end', () => {
  const wrong = [Buffer.from('ffffffff45000000', 'hex'), Buffer.from('0000000045000100', 'hex')];
  for (const bytes of wrong) assert.throws(() => readAll(bytes, 8), { code: 'corrupt' });
  const endless = Buffer.concat(Array.from({ length: 65 }, () => writeFrame(more, new Uint8Array(65_536))));
  assert.throws(() => readAll(endless, 65_536), { code: 'corrupt' });
});

test('a message of ever more parts without anything in them is refused', () => {
  const reader = new FrameReader(more);
  const empty = Buffer.concat(Array.from({ length: 4097 }, () => writeFrame(more, new Uint8Array())));
  assert.throws(() => [...reader.push(empty)], { code: 'corrupt' });
});

test('a message above the limit is refused before any of it is sent', () => {
  const message = { type: 4, payload: new Uint8Array(4 * 1024 * 1024 + 1) };
  assert.throws(() => writeMessage(message, 2).next(), { code: 'exhausted' });
});

test('fields come out as they went in', () => {
  const payload = new FieldWriter()
    .text(1, 'é')
    .number(2, 2 ** 40)
    .flag(3)
    .texts(4, 'a', 'b')
    .finish();
  const fields = readFields(payload);
  assert.deepEqual(
    fields.map(({ tag }) => tag),
    [1, 2, 3, 4],
  );
  assert.equal(readNumber(fields[1]!), 2 ** 40);
  assert.equal(Buffer.from(fields[3]!.value).toString(), 'a\0b');
});

test('what would end early at a NUL is refused', () => {
  assert.throws(() => new FieldWriter().word(32, 'a\0b'), { code: 'invalid' });
  assert.throws(() => new FieldWriter().texts(11, 'vda', '/a\0b'), { code: 'invalid' });
});

test('any bytes are fields or a ZoneError', () => {
  const seed = readSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: random.integer(60) }, () => random.integer(8)));
    try {
      const total = readFields(bytes).reduce((sum, { value }) => sum + 5 + value.length, 0);
      assert.equal(total, bytes.length, `seed ${seed}`);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'corrupt', `seed ${seed}: ${error}`);
    }
  }
});
