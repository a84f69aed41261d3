import { slotSize } from './layout.ts';

/** So many gaps are remembered: of more, the smallest are given up. */
const mostGaps = 32;

/**
 * Gives inodes their places in the metadata area. An inode and what follows it (xattrs, maps of data) is one run of bytes
 * that begins at a slot; its inline tail follows without a gap and lies within one block. What stays free in front of such a
 * tail is a gap, which smaller inodes fill, the tightest gap first. Positions count from the area's start.
 */
export class Placement {
  readonly #blockSize: number;
  readonly #gapStarts = new Float64Array(mostGaps);
  readonly #gapSizes = new Uint32Array(mostGaps);
  #gaps = 0;
  #end: number;

  /** `start`: what is left free in front of the first inode, in bytes. */
  constructor(blockSize: number, start: number) {
    this.#blockSize = blockSize;
    this.#end = start;
  }

  /** Behind the last inode. */
  get end(): number {
    return this.#end;
  }

  /**
   * The position of an inode of `head` bytes, a multiple of 4, and a tail. `whole`: both lie within one block, which must be
   * large enough. Otherwise a tail of block size - 32 bytes always has a place, however long the head: of the slots that a
   * block has, one lets the head end at a block's start or at most 28 bytes behind.
   */
  place(head: number, tail: number, whole: boolean): number {
    const gap = this.#findGap(head + tail);
    if (gap >= 0) return this.#fillGap(gap, head + tail);
    const size = this.#blockSize;
    const from = this.#end;
    let position = from;
    while (!this.#fits(position, head, tail, whole)) position += slotSize;
    const boundary = Math.ceil(from / size) * size;
    if (boundary > from && boundary < position) {
      this.#addGap(from, boundary - from);
      this.#addGap(boundary, position - boundary);
    } else this.#addGap(from, position - from);
    this.#end = slots(position + head + tail) * slotSize;
    return position;
  }

  #fits(position: number, head: number, tail: number, whole: boolean): boolean {
    const offset = whole ? position % this.#blockSize : (position + head) % this.#blockSize;
    return offset + (whole ? head + tail : tail) <= this.#blockSize;
  }

  #findGap(size: number): number {
    let best = -1;
    for (let gap = 0; gap < this.#gaps; gap++) {
      const room = this.#gapSizes[gap]!;
      if (room >= size && (best < 0 || room < this.#gapSizes[best]!)) best = gap;
    }
    return best;
  }

  #fillGap(gap: number, size: number): number {
    const position = this.#gapStarts[gap]!;
    const used = slots(size) * slotSize;
    this.#gapStarts[gap]! += used;
    this.#gapSizes[gap]! -= used;
    if (this.#gapSizes[gap] === 0) {
      this.#gaps -= 1;
      this.#gapStarts[gap] = this.#gapStarts[this.#gaps]!;
      this.#gapSizes[gap] = this.#gapSizes[this.#gaps]!;
    }
    return position;
  }

  #addGap(start: number, size: number): void {
    if (size === 0) return;
    let at = this.#gaps;
    if (at < mostGaps) this.#gaps += 1;
    else {
      at = 0;
      for (let gap = 1; gap < mostGaps; gap++) if (this.#gapSizes[gap]! < this.#gapSizes[at]!) at = gap;
      if (this.#gapSizes[at]! >= size) return;
    }
    this.#gapStarts[at] = start;
    this.#gapSizes[at] = size;
  }
}

/**
 * The bytes at a file's end that are kept behind its inode: 0 where nothing is left over, or so much that not every place has
 * room for it; then the last block is written as it is, padded with zeros. A function of the size alone, so that whoever
 * writes data knows it before the inodes are placed.
 */
export function inlineTail(size: number, blockSize: number): number {
  const tail = size % blockSize;
  return tail <= blockSize - slotSize ? tail : 0;
}

function slots(bytes: number): number {
  return Math.ceil(bytes / slotSize);
}
