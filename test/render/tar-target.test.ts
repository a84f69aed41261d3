/** Streams that fail while somebody waits for them. */
import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { streamTarget } from '../../src/render/sink/tar-target.ts';

async function writeMuch(stream: Writable): Promise<void> {
  const target = streamTarget(stream, 'the stream');
  for (let count = 0; count < 100; count++) await target.write(Buffer.alloc(1 << 16));
}

test('a full disk is told of as such', async () => {
  await assert.rejects(writeMuch(createWriteStream('/dev/full')), {
    name: 'ShaleError',
    code: 'exhausted',
    message: /^cannot write to the stream: no space left on device/,
  });
});

test('a reader that goes away cancels', async () => {
  const leaving = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
  });
  await assert.rejects(writeMuch(leaving), {
    code: 'cancelled',
    message: 'the stream: the reader went away',
  });
});
