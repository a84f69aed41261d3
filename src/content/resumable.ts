import type { Bytes } from './contract.ts';
import { DigestVerifier, type Expected } from './verifier.ts';

/** From how many bytes on it is worth not to hash something again. */
const checkpointDistance = 16 * 1024 * 1024;

/**
 * Content that is verified as by `verified`, and can be opened again at any offset: the state of the hash is kept every
 * 16 MiB, so that to go on after a broken upload costs no second reading of what had been sent.
 */
export class ResumableContent {
  readonly #read: (offset: number) => Bytes;
  readonly #checkpoints: DigestVerifier[];

  /** `read` gives the bytes from an offset on, not verified; `what` names them in errors. */
  constructor(read: (offset: number) => Bytes, expected: Expected, what?: string) {
    this.#read = read;
    this.#checkpoints = [new DigestVerifier(expected, what)];
  }

  async *open(offset: number): Bytes {
    const start = this.#checkpoints.findLast(({ size }) => size <= offset)!;
    const verifier = start.copy();
    let held: Uint8Array | undefined;
    for await (const chunk of this.#read(start.size)) {
      const before = verifier.size;
      verifier.update(chunk);
      if (verifier.size - this.#checkpoints.at(-1)!.size >= checkpointDistance) {
        this.#checkpoints.push(verifier.copy());
      }
      if (verifier.size <= offset) continue;
      if (held !== undefined) yield held;
      held = chunk.subarray(Math.max(0, offset - before));
    }
    verifier.finish();
    if (held !== undefined) yield held;
  }
}
