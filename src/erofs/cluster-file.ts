import { type SlabPool, zeroSpan } from '../bytes/pool/index.ts';
import type { ErofsAlgorithm, FileData } from './data.ts';
import type { DataLog } from './data-log.ts';
import { planFile, type StoredTail, type TailStore, wholeBlocks } from './plain-file.ts';

/**
 * The first byte of a deflate block without content. Kernels take all zeros before the data for padding, and deflate may begin
 * with a zero, the header of a stored block: this before it completes another block, and the header stays one.
 */
const emptyDeflate = Uint8Array.of(0x02);
const nothing = new Uint8Array(0);

export interface ClusterFileOptions {
  readonly log: DataLog;
  readonly tails: TailStore;
  readonly slabs: SlabPool;
  readonly algorithm: ErofsAlgorithm;
  /** Uncompressed bytes of each extent but the last. */
  readonly extentBytes: number;
}

/**
 * A file whose extents are stored one after the other. One that would not save a block is stored as it is; if that is what
 * becomes of all, so is the file, without an index of extents. Spans are pairs of offset and length in slab memory.
 */
export class ClusterFile {
  readonly #options: ClusterFileOptions;
  readonly #size: number;
  #left: number;
  readonly #starts: number[] = [];
  readonly #stored: number[] = [];
  #compressed = false;
  /** Where the tail is kept, if it lies behind the inode. */
  #tail: number | undefined;

  constructor(options: ClusterFileOptions, size: number) {
    this.#options = options;
    this.#size = size;
    this.#left = size;
  }

  /** The next extent of `length` bytes: compressed to `packedLength` bytes at `packed`, 0 if it was not; or as it came. */
  extent(length: number, packed: number, packedLength: number, spans: readonly number[]): void {
    const { blockBytes } = this.#options.log;
    this.#left -= length;
    const lead = this.#lead(packed, packedLength);
    const stored = wholeBlocks(lead.length + packedLength, blockBytes);
    if (packedLength > 0 && stored < wholeBlocks(length, blockBytes)) {
      this.#pack(packed, packedLength, lead, stored);
    } else this.#keep(length, spans);
  }

  /** Where the file lies; all extents were given. */
  end(): FileData {
    const { algorithm, extentBytes } = this.#options;
    const [starts, stored] = [this.#starts, this.#stored];
    if (this.#compressed) return { kind: 'compressed', algorithm, extentBytes, starts, stored };
    const start = starts[0]!;
    if (this.#tail === undefined) return { kind: 'plain', start };
    const data: StoredTail = { kind: 'inline', start, tail: this.#tail };
    return data;
  }

  /** What has to stand before compressed data. */
  #lead(offset: number, length: number): Uint8Array {
    const { algorithm, slabs } = this.#options;
    const isZero = algorithm === 'deflate' && length > 0 && slabs.bytes[offset] === 0;
    return isZero ? emptyDeflate : nothing;
  }

  /** Less than a block of zeros, for kernels look into the first block only; then the lead and the data, up to the end. */
  #pack(offset: number, length: number, lead: Uint8Array, stored: number): void {
    const { log } = this.#options;
    const start = log.reserve(stored);
    const data = start + stored - length;
    log.zeros(start, stored - length - lead.length);
    if (lead.length > 0) log.bytes(data - lead.length, lead);
    log.span(data, offset, length);
    this.#compressed = true;
    this.#starts.push(start);
    this.#stored.push(stored);
  }

  #keep(length: number, spans: readonly number[]): void {
    const { log, tails, slabs } = this.#options;
    const plain = this.#left === 0 && !this.#compressed;
    const tailBytes = plain ? planFile(this.#size, undefined, log.blockBytes).tailBytes : 0;
    const start = log.reserve(length - tailBytes);
    const bodyEnd = start + length - tailBytes;
    if (tailBytes > 0) this.#tail = tails.position;
    let at = start;
    for (let span = 0; span < spans.length; span += 2) {
      const offset = spans[span]!;
      const size = spans[span + 1]!;
      const body = Math.min(size, Math.max(0, bodyEnd - at));
      if (body > 0 && offset !== zeroSpan) log.span(at, offset, body);
      if (body < size) {
        const zeros = offset === zeroSpan;
        tails.append(
          zeros ? new Uint8Array(size - body) : slabs.bytes.subarray(offset + body, offset + size),
        );
      }
      at += size;
    }
    if (tailBytes === 0) log.zeros(at, log.end - at);
    this.#starts.push(start);
    this.#stored.push(0);
  }
}
