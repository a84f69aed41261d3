/** A file that is read while it is written. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Arrival, readLocation } from '../../src/content/index.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'shale-arrival-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

test('a reader gets all bytes of a file that is still being written, in order', async () => {
  const file = path.join(scratch, 'blob.part');
  const content = Buffer.from(Array.from({ length: 700_000 }, (_, index) => index % 251));
  writeFileSync(file, '');
  const arrival = new Arrival();
  const read = (async () => {
    const chunks: Uint8Array[] = [];
    const location = { path: file, offset: 0, size: content.length, arrival: arrival.memory };
    for await (const chunk of readLocation(location)) chunks.push(chunk);
    return Buffer.concat(chunks);
  })();
  for (let at = 0; at < content.length; at += 70_000) {
    appendFileSync(file, content.subarray(at, at + 70_000));
    arrival.advance(Math.min(content.length, at + 70_000));
    await setImmediate();
  }
  assert.ok((await read).equals(content));
});

test('a file that moved to its place after it was verified is found there', async () => {
  const [part, settled] = [path.join(scratch, 'blob.part'), path.join(scratch, 'blob')];
  writeFileSync(part, 'content');
  renameSync(part, settled);
  const arrival = new Arrival();
  arrival.advance(7);
  const chunks: Uint8Array[] = [];
  for await (const chunk of readLocation({
    path: part,
    offset: 0,
    size: 7,
    arrival: arrival.memory,
    settled,
  }))
    chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), 'content');
});

test('the end of what will never come whole is an error, not a wait', async () => {
  const file = path.join(scratch, 'blob.part');
  writeFileSync(file, 'half');
  const arrival = new Arrival();
  arrival.advance(4);
  const reading = (async () => {
    for await (const _ of readLocation({ path: file, offset: 0, size: 8, arrival: arrival.memory }));
  })();
  arrival.end();
  await assert.rejects(reading, { code: 'corrupt' });
});

test('an abort ends the wait', async () => {
  const arrival = new Arrival();
  const controller = new AbortController();
  const waiting = arrival.reach(1, controller.signal);
  controller.abort();
  await assert.rejects(waiting, { code: 'cancelled' });
});

test('another thread waits until the bytes are there, beyond 4 GiB too', async () => {
  const arrival = new Arrival();
  const module = new URL('../../src/content/arrival.ts', import.meta.url).href;
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(${JSON.stringify(module)}).then(({ Arrival }) => {
       parentPort.postMessage('ready');
       parentPort.postMessage(new Arrival(workerData).wait(2 ** 33));
     });`,
    { eval: true, workerData: arrival.memory },
  );
  const messages: unknown[] = [];
  const done = new Promise<void>(resolve => {
    worker.on('message', message => {
      messages.push(message);
      if (message === 'ready') arrival.advance(2 ** 32);
      else resolve();
    });
  });
  while (messages.length === 0) await setTimeout(1);
  await setTimeout(30);
  assert.deepEqual(messages, ['ready']);
  arrival.advance(2 ** 33 + 5);
  await done;
  assert.deepEqual(messages, ['ready', 2 ** 33 + 5]);
  await worker.terminate();
});
