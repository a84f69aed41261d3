import { crc32 } from 'node:zlib';
import type { RandomAccess } from '../bytes/random-access.ts';
import type { OpenFile } from './block-log.ts';

/** Bytes of each stored block that go into the fingerprint. */
const sampleBytes = 512;
/** Files with one fingerprint that are compared byte by byte; bounds the time that crafted files can take. */
const candidatesPerFingerprint = 8;
const compareBytes = 1024 * 1024;

/** The fingerprint of a file with one more stored block; it only preselects, so it need not resist anybody. */
export function fingerprint(before: number, stored: Uint8Array): number {
  return crc32(stored.subarray(0, sampleBytes), before);
}

/**
 * Finds files that are stored twice, exactly: a cheap fingerprint preselects, then the stored bytes are compared. Equal
 * stored blocks are equal content, and equal content gives equal stored blocks, because the codecs are deterministic.
 */
export class StoredFiles {
  readonly #output: RandomAccess;
  readonly #known = new Map<string, OpenFile[]>();

  readonly #settle: () => void;

  /** `settle` puts on disk what is still in memory; it is called before anything is read back. */
  constructor(output: RandomAccess, settle: () => void) {
    this.#output = output;
    this.#settle = settle;
  }

  /** An earlier file with the same content, or undefined, and then this one is remembered. */
  earlier(file: OpenFile): OpenFile | undefined {
    const key = `${file.size}:${file.storedBytes}:${file.fingerprint}`;
    const candidates = this.#known.get(key);
    if (candidates === undefined) {
      this.#known.set(key, [file]);
      return undefined;
    }
    this.#settle();
    for (const candidate of candidates) {
      if (sameBlocks(candidate.blocks, file.blocks) && this.#sameBytes(candidate, file)) return candidate;
    }
    if (candidates.length < candidatesPerFingerprint) candidates.push(file);
    return undefined;
  }

  #sameBytes(a: OpenFile, b: OpenFile): boolean {
    const left = Buffer.allocUnsafe(Math.min(compareBytes, a.storedBytes));
    const right = Buffer.allocUnsafe(left.length);
    for (let at = 0; at < a.storedBytes; at += left.length) {
      const length = Math.min(left.length, a.storedBytes - at);
      this.#output.readAt(a.start + at, left.subarray(0, length));
      this.#output.readAt(b.start + at, right.subarray(0, length));
      if (left.compare(right, 0, length, 0, length) !== 0) return false;
    }
    return true;
  }
}

function sameBlocks(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((word, index) => word === b[index]);
}
