import { CodecError } from './error.ts';
import type { Decompressor } from './types.ts';

export class XzDecompressor implements Decompressor {
  push(_input: Uint8Array): void {}

  read(_output: Uint8Array): number {
    throw new CodecError('unsupported', 'xz is not implemented yet');
  }

  finish(): void {}
  close(): void {}
}
