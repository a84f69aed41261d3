import { createHash } from 'node:crypto';
import { createReadStream, existsSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { createGunzip, gzipSync } from 'node:zlib';
import { createBlockCompressor, createDecompressor } from '../src/bytes/codec/index.ts';

/**
 * The floor under a render: what inflate, two sha256 and zstd cost on all cores at once, and nothing else: no tar, no
 * order, no output. `floorParts` cuts a gzip layer into one part for each core, compressed as the layer was; run as a program on
 * these parts, each core works through its own. So the cores get in each other's way as they do in a render, and no
 * core waits for another.
 */
export async function floorParts(layer: string, cores: number): Promise<readonly string[]> {
  const names = Array.from({ length: cores }, (_, part) =>
    path.join(path.dirname(layer), `floor-${part}-of-${cores}`),
  );
  if (names.every(name => existsSync(name))) return names;
  const files = names.map(name => openSync(`${name}.new`, 'w'));
  let turn = 0;
  let held: Buffer[] = [];
  let bytes = 0;
  // Members of 8 MiB, dealt out in turn, are large enough to compress as one stream does.
  const deal = () => {
    if (bytes > 0) writeSync(files[turn++ % cores]!, gzipSync(Buffer.concat(held), { level: 6 }));
    held = [];
    bytes = 0;
  };
  await pipeline(createReadStream(layer), createGunzip({ chunkSize: 1 << 20 }), async source => {
    for await (const chunk of source) {
      held.push(chunk);
      bytes += chunk.length;
      if (bytes >= 8 << 20) deal();
    }
    deal();
  });
  for (const name of names) renameSync(`${name}.new`, name);
  return names;
}

/** One core's share: the steps in the order of a render, in memory that stays in its cache. */
function work(part: string): void {
  const file = openSync(part, 'r');
  const input = Buffer.allocUnsafe(256 * 1024);
  const plain = Buffer.allocUnsafe(1 << 20);
  const packed = Buffer.allocUnsafe(1 << 20);
  const [blob, diffId] = [createHash('sha256'), createHash('sha256')];
  const decompressor = createDecompressor();
  const compressor = createBlockCompressor('zstd', 3);
  let filled = 0;
  const flush = () => {
    diffId.update(plain.subarray(0, filled));
    for (let at = 0; at < filled; at += 128 * 1024) {
      compressor.compress(plain.subarray(at, Math.min(at + 128 * 1024, filled)), packed);
    }
    filled = 0;
  };
  for (let length = readSync(file, input); length > 0; length = readSync(file, input)) {
    blob.update(input.subarray(0, length));
    decompressor.push(input.subarray(0, length));
    for (
      let count = decompressor.read(plain.subarray(filled));
      count > 0;
      count = decompressor.read(plain.subarray(filled))
    ) {
      filled += count;
      if (filled === plain.length) flush();
    }
  }
  decompressor.finish();
  flush();
}

if (!isMainThread && workerData?.floor !== undefined) work(workerData.floor);
else if (process.argv[1] === import.meta.filename) {
  for (const floor of process.argv.slice(2)) new Worker(new URL(import.meta.url), { workerData: { floor } });
}
