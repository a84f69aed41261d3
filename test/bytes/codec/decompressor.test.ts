import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Compression, createDecompressor, detectCompression } from '../../../src/bytes/codec/index.ts';
import { requires } from '../../requirement.ts';
import { decompress, drain, filter, makeContent } from './streams.ts';

const text = Buffer.from('a small text, a small text, and its end\n');
const content = makeContent(3000);

/** Small streams of each kind, by tools where Node has no writer. */
const streams: readonly (readonly [Compression, string | false, () => Buffer])[] = [
  ['gzip', false, () => gzipSync(text)],
  ['zstd', requires({ tools: ['zstd'] }), () => filter('zstd', ['-c'], text)],
  ['xz', requires({ tools: ['xz'] }), () => filter('xz', ['-c'], text)],
  ['bzip2', requires({ tools: ['bzip2'] }), () => filter('bzip2', ['-1', '-c'], text)],
];

test('detection: at most six bytes tell, and bytes that only begin like a magic number are plain', () => {
  const hex = (digits: string): Compression | undefined => detectCompression(Buffer.from(digits, 'hex'));
  assert.equal(hex('1f8b'), 'gzip');
  assert.equal(hex('28b52ffd'), 'zstd');
  assert.equal(hex('5c2a4d18'), 'zstd');
  assert.equal(hex('fd377a585a00'), 'xz');
  assert.equal(hex('425a6839314159'), 'bzip2');
  assert.equal(hex('425a683917'), 'bzip2');
  // A tar archive whose first entry is called "BZh9".
  assert.equal(hex('425a68390000'), 'none');
  assert.equal(hex('602a4d18'), 'none');
  assert.equal(hex('1f8c'), 'none');
  assert.equal(hex(''), undefined);
  for (const open of ['1f', '28b52f', '502a4d', 'fd377a585a', '425a6839']) assert.equal(hex(open), undefined);
});

test('an empty stream is none, without bytes', () => {
  const decompressor = createDecompressor();
  assert.equal(decompressor.compression, undefined);
  decompressor.push(Buffer.alloc(0));
  assert.equal(decompressor.read(new Uint8Array(10)), 0);
  decompressor.finish();
  assert.equal(decompressor.compression, 'none');
});

test('plain bytes pass unchanged, however they come', () => {
  const tarLike = Buffer.concat([Buffer.from('BZh9 '), content]);
  for (const chunk of [1, 2, 4, 5, 6, 7, 512]) {
    for (const room of [1, 3, 4096]) assert.ok(decompress(tarLike, { chunk, room }).equals(tarLike));
  }
});

test('an expected compression is not guessed, and nothing else is accepted', () => {
  const plain = decompress(gzipSync(text), { expect: 'none' });
  assert.ok(plain.equals(gzipSync(text)));
  assert.throws(() => decompress(text, { expect: 'gzip' }), { code: 'corrupt' });
  assert.throws(() => decompress(Buffer.alloc(0), { expect: 'zstd' }), { code: 'corrupt' });
  assert.ok(decompress(gzipSync(text), { expect: 'gzip', chunk: 1 }).equals(text));
});

for (const [compression, skip, make] of streams) {
  test(`${compression}: is what is detected`, { skip }, () => {
    for (const chunk of [1, 3, 100]) {
      const decompressor = createDecompressor();
      assert.ok(drain(decompressor, make(), { chunk }).equals(text));
      assert.equal(decompressor.compression, compression);
    }
  });

  for (const native of compression === 'gzip' ? [true, false] : [true]) {
    test(`${compression}${native ? '' : ', no native library'}: cut anywhere, it is corrupt`, {
      skip,
    }, () => {
      const stream = make();
      for (let length = 1; length < stream.length; length++) {
        for (const chunk of [1, 1000]) {
          const cut = stream.subarray(0, length);
          assert.throws(
            () => decompress(cut, { chunk, native }),
            { name: 'CodecError', code: 'corrupt' },
            `${length}`,
          );
        }
      }
    });

    test(`${compression}${native ? '' : ', no native library'}: zeros may follow, nothing else`, {
      skip,
    }, () => {
      const stream = make();
      for (const chunk of [1, 7, 1000]) {
        for (const zeros of [1, 2, 3, 4, 9, 512]) {
          const padded = Buffer.concat([stream, Buffer.alloc(zeros)]);
          assert.ok(decompress(padded, { chunk, native }).equals(text));
          for (const byte of [1, 0xff, stream[0]!]) {
            const wrong = Buffer.concat([padded, Buffer.of(byte)]);
            assert.throws(() => decompress(wrong, { chunk, native }), { code: 'corrupt' });
          }
        }
        const wrong = Buffer.concat([stream, Buffer.from('garbage')]);
        assert.throws(() => decompress(wrong, { chunk, native }), { code: 'corrupt' });
      }
    });

    test(`${compression}${native ? '' : ', no native library'}: no flipped bit passes`, { skip }, () => {
      const stream = make();
      for (let at = 0; at < stream.length * 8; at++) {
        const wrong = Buffer.from(stream);
        wrong[Math.floor(at / 8)]! ^= 1 << (at % 8);
        let result: Buffer;
        try {
          result = decompress(wrong, { native, expect: compression });
        } catch (error) {
          const { name, code } = error as { name: string; code: string };
          assert.equal(name, 'CodecError', `bit ${at}: ${error}`);
          assert.ok(['corrupt', 'unsupported', 'exhausted'].includes(code), `bit ${at}: ${error}`);
          continue;
        }
        assert.ok(result.equals(text), `bit ${at} passes`);
      }
    });
  }
}

test('after a failure it goes on failing; after close it takes nothing', () => {
  const decompressor = createDecompressor();
  const output = new Uint8Array(100);
  decompressor.push(Buffer.from('1f8b0900', 'hex'));
  assert.throws(() => decompressor.read(output), { code: 'unsupported' });
  assert.throws(() => decompressor.read(output), { code: 'unsupported' });
  assert.throws(() => decompressor.finish(), { code: 'unsupported' });
  decompressor.close();
  assert.throws(() => decompressor.push(text), { code: 'internal' });
});

test('works in a worker thread, on shared memory', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4096));
  const stream = Buffer.concat([gzipSync(content.subarray(0, 100))]);
  shared.set(stream);
  const index = new URL('../../../src/bytes/codec/index.ts', import.meta.url).href;
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(index)}).then(({ createDecompressor }) => {
      const decompressor = createDecompressor();
      decompressor.push(workerData.shared.subarray(0, workerData.length));
      const size = decompressor.read(workerData.shared.subarray(2000));
      decompressor.read(new Uint8Array(10));
      decompressor.finish();
      decompressor.close();
      parentPort.postMessage(size);
    });`;
  const worker = new Worker(source, { eval: true, workerData: { shared, length: stream.length } });
  const size = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  assert.equal(size, 100);
  assert.ok(Buffer.from(shared.slice(2000, 2100)).equals(content.subarray(0, 100)));
});

test('many streams at once do not disturb each other', () => {
  const kinds = [gzipSync(content), zstdCompressSync(content), content, gzipSync(content, { level: 1 })];
  const open = kinds.map(stream => ({
    stream,
    decompressor: createDecompressor(),
    at: 0,
    parts: [] as Buffer[],
  }));
  const output = new Uint8Array(64);
  for (let busy = true; busy; ) {
    busy = false;
    for (const one of open) {
      if (one.at >= one.stream.length) continue;
      busy = true;
      one.decompressor.push(one.stream.subarray(one.at, one.at + 50));
      one.at += 50;
      for (let size = one.decompressor.read(output); size > 0; size = one.decompressor.read(output)) {
        one.parts.push(Buffer.from(output.subarray(0, size)));
      }
    }
  }
  for (const { decompressor, parts } of open) {
    decompressor.finish();
    decompressor.close();
    assert.ok(Buffer.concat(parts).equals(content));
  }
});
