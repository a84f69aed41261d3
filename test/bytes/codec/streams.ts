import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  createDecompressor,
  type Decompressor,
  type DecompressorOptions,
} from '../../../src/bytes/codec/index.ts';

/** How input is cut for every decoder, and the room that its output has. */
export const cuts = [
  { chunk: 1, room: 2 ** 16 },
  { chunk: 7, room: 100 },
  { chunk: 511, room: 2 ** 20 },
  { chunk: 512, room: 511 },
  { chunk: 4096, room: 2 ** 16 },
  { chunk: 2 ** 20, room: 100 },
  { chunk: 2 ** 20, room: 2 ** 20 },
] as const;

/** What a tool makes of `input`. */
export function filter(tool: string, options: readonly string[], input: Uint8Array): Buffer {
  const result: SpawnSyncReturns<Buffer> = spawnSync(tool, options, { input, maxBuffer: 2 ** 28 });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${tool} ${options.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** Small pseudo-random numbers, the same for the same seed (xorshift). */
export function createRandom(seed: number): (below: number) => number {
  let state = seed % 0x7fffffff || 1;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Bytes of every kind: text, noise, zeros, long runs, repeats near and far. */
export function makeContent(length: number, seed = 1): Buffer {
  const random = createRandom(seed);
  const content = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const size = Math.min(1 + random(9000), length - at);
    const kind = random(5);
    if (kind === 0) for (let index = 0; index < size; index++) content[at + index] = random(256);
    else if (kind === 1) content.fill(`line ${random(50)} of some text\n`, at, at + size);
    else if (kind === 2) content.fill(random(3), at, at + size);
    else if (kind === 3 && at > 0) content.copy(content, at, random(at), at);
    else for (let index = 0; index < size; index++) content[at + index] = 97 + (random(8) & random(8));
    at += size;
  }
  return content;
}

/** Everything that a stream holds, read through `chunk` bytes of input and `room` bytes of output at a time. */
export function decompress(
  stream: Uint8Array,
  options: DecompressorOptions & { readonly chunk?: number; readonly room?: number } = {},
): Buffer {
  return drain(createDecompressor(options), stream, options);
}

export function drain(
  decompressor: Decompressor,
  stream: Uint8Array,
  { chunk = 4096, room = 2 ** 16 }: { readonly chunk?: number; readonly room?: number } = {},
): Buffer {
  const output = new Uint8Array(new SharedArrayBuffer(room));
  const parts: Buffer[] = [];
  try {
    for (let at = 0; at < stream.length; at += chunk) {
      // A copy that is spoilt afterwards: nothing may be read from it any more.
      const input = new Uint8Array(stream.subarray(at, at + chunk));
      decompressor.push(input);
      for (let size = decompressor.read(output); size > 0; size = decompressor.read(output)) {
        parts.push(Buffer.from(output.subarray(0, size)));
      }
      input.fill(0xa5);
    }
    decompressor.finish();
  } finally {
    decompressor.close();
    decompressor.close();
  }
  return Buffer.concat(parts);
}
