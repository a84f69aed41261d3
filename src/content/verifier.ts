import { createHash, type Hash } from 'node:crypto';
import { type Digest, digestAlgorithm, parseDigest } from '../oci/digest.ts';
import type { Bytes } from './contract.ts';
import { ContentError } from './error.ts';

/** What content is checked against. Without a size, as for a diffID, only the digest counts. */
export interface Expected {
  readonly digest: Digest;
  /** Bytes. */
  readonly size?: number | undefined;
}

/**
 * Checks content while it streams. Content that is too long fails in the `update` that exceeds its size, before it is
 * hashed; all else in `finish`, which must be called before anyone relies on the content. Both throw ContentError
 * `corrupt` with the expected and the actual size and digest.
 */
export class DigestVerifier {
  readonly #expected: Expected;
  readonly #what: string;
  #hash: Hash;
  #size = 0;

  /** `what` names the content in errors: a layer, a path. */
  constructor(expected: Expected, what: string = expected.digest) {
    this.#expected = expected;
    this.#what = what;
    this.#hash = createHash(digestAlgorithm(expected.digest));
  }

  /** Another verifier that has seen the same so far. */
  copy(): DigestVerifier {
    const copy = new DigestVerifier(this.#expected, this.#what);
    copy.#hash = this.#hash.copy();
    copy.#size = this.#size;
    return copy;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#size += chunk.length;
    const { size } = this.#expected;
    if (size !== undefined && this.#size > size) {
      throw this.#corrupt(`it has more than ${size} bytes`, { size: this.#size });
    }
    this.#hash.update(chunk);
  }

  /** What the digest would be with so many zeros behind. */
  padded(zeros: number): Digest {
    const algorithm = digestAlgorithm(this.#expected.digest);
    const hash = this.#hash.copy().update(new Uint8Array(zeros));
    return parseDigest(`${algorithm}:${hash.digest('hex')}`);
  }

  /** Call once, after the last chunk. */
  finish(): void {
    const { digest, size } = this.#expected;
    if (size !== undefined && this.#size !== size) {
      throw this.#corrupt(`it ends after ${this.#size} of ${size} bytes`, { size: this.#size });
    }
    const actual = `${digestAlgorithm(digest)}:${this.#hash.digest('hex')}`;
    checkDigest(this.#expected, { size: this.#size, digest: actual }, this.#what);
  }

  #corrupt(why: string, actual: { size: number }): ContentError {
    return createCorrupt(this.#what, why, this.#expected, actual);
  }
}

/** The last step of a verifier, for whoever has the digest from elsewhere. */
export function checkDigest(
  expected: Expected,
  actual: { readonly size: number; readonly digest: string },
  what: string,
): void {
  if (actual.digest === expected.digest) return;
  throw createCorrupt(what, `its digest is ${actual.digest}, not ${expected.digest}`, expected, actual);
}

function createCorrupt(
  what: string,
  why: string,
  { digest, size }: Expected,
  actual: { readonly size: number; readonly digest?: string },
): ContentError {
  return new ContentError('corrupt', `${what} is corrupt: ${why}`, {
    detail: { expected: { digest, size }, actual },
    hint: 'fetch the image again',
  });
}

/**
 * Passes content through and checks it. The last chunk is held back until the digest is proven, so whoever has seen
 * the end has seen the right content.
 */
export async function* verified(source: Bytes, expected: Expected, what?: string): Bytes {
  const verifier = new DigestVerifier(expected, what);
  let held: Uint8Array | undefined;
  for await (const chunk of source) {
    verifier.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  verifier.finish();
  if (held !== undefined) yield held;
}
