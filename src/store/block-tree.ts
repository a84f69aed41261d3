import { BlockHasher } from '../verity/block-hasher.ts';
import { blockSize, digestSize, digestsPerBlock } from '../verity/layout.ts';
import { foldedSize, foldLevels, type UpperLevels } from '../verity/levels.ts';

/** What one block of the lowest level is of: so much is hashed at once. */
const groupSize = digestsPerBlock * blockSize;

/** The hash tree of data that is read anyway, for another reason. Takes half a MiB, and 64 KiB for each GiB. */
export class BlockTree {
  readonly #hasher: BlockHasher;
  readonly #size: number;
  readonly #each: (block: Buffer, index: number) => void;
  readonly #group = Buffer.allocUnsafeSlow(groupSize);
  readonly #folded: Buffer;
  #read = 0;
  #root = Buffer.alloc(0);

  /** `size`: of the data, in bytes. `each` hears of the blocks of the lowest level, one after the other. */
  constructor(size: number, salt: Uint8Array, each: (block: Buffer, index: number) => void = () => {}) {
    this.#hasher = new BlockHasher(salt);
    this.#size = size;
    this.#each = each;
    this.#folded = Buffer.alloc(foldedSize(size));
  }

  /** The data, in order, in pieces of any size; what is behind its end does not count. */
  update(chunk: Uint8Array): void {
    for (let position = 0; position < chunk.length && this.#read < this.#size; ) {
      const filled = this.#read % groupSize;
      const taken = Math.min(groupSize - filled, chunk.length - position, this.#size - this.#read);
      this.#group.set(chunk.subarray(position, position + taken), filled);
      position += taken;
      this.#read += taken;
      if (filled + taken === groupSize || this.#read === this.#size) this.#hash(filled + taken);
    }
  }

  /** All above the lowest level, when all of the data was there. The root of nothing is empty. */
  finish(): UpperLevels {
    if (this.#size <= blockSize) return { rootHash: this.#root, blocks: Buffer.alloc(0) };
    return foldLevels(this.#folded, this.#hasher);
  }

  #hash(length: number): void {
    const block = Buffer.alloc(blockSize);
    this.#hasher.hashBytes(this.#group.subarray(0, length), block);
    this.#root = block.subarray(0, digestSize);
    if (this.#size <= blockSize) return;
    const index = Math.ceil(this.#read / groupSize) - 1;
    this.#hasher.hashBytes(block, this.#folded.subarray(index * digestSize, (index + 1) * digestSize));
    this.#each(block, index);
  }
}
