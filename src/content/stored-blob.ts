import { closeSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import type { Digest } from '../oci/index.ts';
import { Arrival } from './arrival.ts';
import { ContentError } from './error.ts';
import type { BlobLocation } from './location.ts';
import { DigestVerifier } from './verifier.ts';

/** Bytes read at a time: small enough to stay in the cache until they are hashed and decompressed. */
const readBytes = 256 * 1024;

/** A layer's blob as it is stored, read once from first byte to last and hashed on the way. Synchronous. */
export class StoredBlob implements Disposable {
  readonly #blob: BlobLocation;
  readonly #ending: Int32Array;
  readonly #arrival: Arrival | undefined;
  readonly #verifier: DigestVerifier | undefined;
  readonly #file: number;
  readonly #buffer: Buffer;
  #read = 0;
  /** What `verify` has found: undefined before its first call. */
  #verdict: { readonly failure: unknown } | undefined;

  /**
   * `ending`: its first word is not 0 once nobody wants the layer any more, and then nothing is waited for. `what` names
   * the blob in errors.
   */
  constructor(blob: BlobLocation, digest: Digest | undefined, ending: Int32Array, what = 'the blob') {
    this.#blob = blob;
    this.#ending = ending;
    this.#arrival = blob.arrival === undefined ? undefined : new Arrival(blob.arrival);
    this.#verifier = digest === undefined ? undefined : new DigestVerifier({ digest, size: blob.size }, what);
    this.#buffer = Buffer.allocUnsafe(Math.min(readBytes, Math.max(blob.size, 1)));
    this.#file = openBlob(blob);
  }

  /** Bytes so far. */
  get read(): number {
    return this.#read;
  }

  /** The next chunk, valid until the next call; undefined at the end. */
  next(): Uint8Array | undefined {
    const { path, offset, size } = this.#blob;
    if (this.#read === size) return undefined;
    const wanted = Math.min(this.#buffer.length, size - this.#read);
    const end = offset + this.#read + wanted;
    if (this.#arrival !== undefined && this.#arrival.wait(end, this.#ending) < end) {
      throw new ContentError('cancelled', 'nothing more arrives');
    }
    const length = readSync(this.#file, this.#buffer, 0, wanted, offset + this.#read);
    if (length === 0) {
      throw new ContentError('corrupt', `${path} ends ${size - this.#read} bytes early`, {
        detail: { path },
      });
    }
    const chunk = this.#buffer.subarray(0, length);
    this.#verifier?.update(chunk);
    this.#read += length;
    return chunk;
  }

  /** Reads what is left, and throws ContentError `corrupt` if the blob is not what its digest says. Again, the same. */
  verify(): void {
    this.#verdict ??= { failure: this.#verify() };
    if (this.#verdict.failure !== undefined) throw this.#verdict.failure;
  }

  #verify(): unknown {
    try {
      while (this.next() !== undefined);
      this.#verifier?.finish();
      return undefined;
    } catch (failure) {
      return failure;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

function openBlob({ path, settled }: BlobLocation): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (settled === undefined || !isErrno(error, 'ENOENT')) throw error;
    return openSync(settled, 'r');
  }
}
