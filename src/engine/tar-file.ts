import { closeSync, openSync, readSync } from 'node:fs';
import { createDecompressor } from '../bytes/codec/index.ts';
import { type TarHandler, type TarLimits, TarParser } from '../tar/index.ts';

const chunkBytes = 256 * 1024;

/** Parses a tar file, compressed or not, and yields after each chunk that the handler was given. Throws as `fs` does. */
export function* readTarFile(
  path: string,
  limits: TarLimits,
  handler: TarHandler,
): Generator<void, void, undefined> {
  const parser = new TarParser(handler, limits);
  const decoder = createDecompressor();
  const file = openSync(path, 'r');
  try {
    const input = Buffer.allocUnsafe(chunkBytes);
    const output = Buffer.allocUnsafe(chunkBytes);
    for (let read = readSync(file, input); read > 0; read = readSync(file, input)) {
      decoder.push(input.subarray(0, read));
      for (let count = decoder.read(output); count > 0; count = decoder.read(output)) {
        parser.write(output.subarray(0, count));
        yield;
      }
    }
    decoder.finish();
    parser.finish();
  } finally {
    decoder.close();
    closeSync(file);
  }
}
