import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc64 } from './crc64.ts';
import { CodecError } from './error.ts';

/** The integrity check of a block's content. */
export interface Check {
  readonly size: number;
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** By the check's number in the stream flags. Throws `unsupported` for those that the format only reserves. */
export function createCheck(id: number): Check {
  if (id === 0) return { size: 0, update() {}, digest: () => new Uint8Array(0) };
  if (id === 1) {
    let value = 0;
    return {
      size: 4,
      update(bytes) {
        value = crc32(bytes, value);
      },
      digest() {
        const view = new DataView(new ArrayBuffer(4));
        view.setUint32(0, value, true);
        return new Uint8Array(view.buffer);
      },
    };
  }
  if (id === 4) {
    const crc = new Crc64();
    return { size: 8, update: bytes => crc.update(bytes), digest: () => crc.digest() };
  }
  if (id === 10) {
    const hash = createHash('sha256');
    return { size: 32, update: bytes => void hash.update(bytes), digest: () => hash.digest() };
  }
  throw new CodecError('unsupported', `xz: integrity check ${id} is not known`);
}
