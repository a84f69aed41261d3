import { checkDigest } from '../../content/verifier.ts';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../../oci/index.ts';
import { HashLine, hashAbandon, hashEnd } from './hash-line.ts';

/** Compares a layer with its diffID, which another thread computes meanwhile. */
export class LayerHash implements Disposable {
  readonly #line: HashLine;
  readonly #diffId: Digest;
  readonly #ending: Int32Array;
  #size = 0;
  #isDone = false;

  constructor(line: SharedArrayBuffer, diffId: Digest, ending: Int32Array) {
    this.#line = new HashLine(line);
    this.#diffId = diffId;
    this.#ending = ending;
  }

  /** The bytes must stay as they are until `hashDepth` more calls have returned. */
  update(offset: number, length: number): void {
    if (length === 0) return;
    this.#line.request(offset, length, this.#ending);
    this.#size += length;
  }

  /** ContentError `corrupt` if it is another layer. Returns the digest of the layer with so many zeros behind it. */
  finish(padding: number): Digest {
    this.#line.request(hashEnd, padding, this.#ending);
    this.#line.settle(this.#ending);
    this.#isDone = true;
    const algorithm = digestAlgorithm(this.#diffId);
    const digits = digestHex(this.#diffId).length;
    const hex = this.#line.digest(digits).toString('hex');
    const digest = `${algorithm}:${hex.slice(0, digits)}`;
    checkDigest({ digest: this.#diffId }, { size: this.#size, digest }, 'the uncompressed layer');
    return parseDigest(`${algorithm}:${hex.slice(digits)}`);
  }

  [Symbol.dispose](): void {
    if (this.#isDone) return;
    try {
      this.#line.request(hashAbandon, 0, this.#ending);
    } catch {
      // The other thread is told to end as well.
    }
  }
}
