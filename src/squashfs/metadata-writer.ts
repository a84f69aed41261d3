import type { BlockCompressor } from '../bytes/codec/types.ts';
import type { Field, Struct } from '../bytes/struct.ts';
import type { ByteString } from '../tree/index.ts';
import { blockPosition, metadataSize, metadataStored } from './layout.ts';

/** Where tables go: bytes are only ever appended. `position` counts from the image's start. */
export interface TableOutput {
  append(bytes: Uint8Array): void;
  readonly position: number;
}

/**
 * A metadata table on its way: what is put in is cut into blocks of 8 KiB, each compressed as soon as it is full, so
 * that the place of everything that comes later is known. Holds the compressed blocks until `flush`.
 */
export class MetadataWriter {
  readonly #compressor: BlockCompressor | undefined;
  readonly #block = Buffer.alloc(metadataSize);
  readonly #packed = Buffer.alloc(metadataSize);
  readonly #scratch = Buffer.alloc(64);
  readonly #blocks: Uint8Array[] = [];
  readonly #positions: number[] = [];
  #used = 0;
  #written = 0;

  /** Without a compressor every block is stored as it is. */
  constructor(compressor: BlockCompressor | undefined) {
    this.#compressor = compressor;
  }

  /** Position, from the table's start, of the block that the next byte falls into. */
  get block(): number {
    return this.#written;
  }

  /** Place of the next byte in the decoded block, 0 to 8191. */
  get offset(): number {
    return this.#used;
  }

  /** Both in one number, as inodes and xattrs are referred to. */
  get reference(): number {
    return this.#written * 0x10000 + this.#used;
  }

  get isEmpty(): boolean {
    return this.#written === 0 && this.#used === 0;
  }

  /** Positions of the blocks so far, from the table's start. */
  get positions(): readonly number[] {
    return this.#positions;
  }

  put<V>(layout: Struct<V> | Field<V>, value: V): void {
    const { size } = layout;
    if (this.#used + size < metadataSize) {
      layout.write(this.#block, this.#used, value);
      this.#used += size;
      return;
    }
    layout.write(this.#scratch, 0, value);
    this.append(this.#scratch.subarray(0, size));
  }

  text(bytes: ByteString): void {
    const { length } = bytes;
    if (this.#used + length < metadataSize) {
      this.#block.write(bytes, this.#used, 'latin1');
      this.#used += length;
      return;
    }
    this.append(Buffer.from(bytes, 'latin1'));
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const size = Math.min(bytes.length - done, metadataSize - this.#used);
      this.#block.set(bytes.subarray(done, done + size), this.#used);
      this.#used += size;
      done += size;
      if (this.#used === metadataSize) this.#cut();
    }
  }

  /** Ends the last block and hands all of them on; the table begins at `output.position` of this moment. */
  flush(output: TableOutput): void {
    if (this.#used > 0) this.#cut();
    for (const block of this.#blocks) output.append(block);
    this.#blocks.length = 0;
  }

  #cut(): void {
    const plain = this.#block.subarray(0, this.#used);
    const size = this.#compressor?.compress(plain, this.#packed) ?? 0;
    const stored = size === 0 || size >= plain.length;
    const bytes = stored ? plain : this.#packed.subarray(0, size);
    const block = Buffer.allocUnsafe(2 + bytes.length);
    block.writeUInt16LE(stored ? metadataStored + bytes.length : bytes.length, 0);
    block.set(bytes, 2);
    this.#positions.push(this.#written);
    this.#blocks.push(block);
    this.#written += block.length;
    this.#used = 0;
  }
}

/**
 * Writes a lookup table: metadata blocks, then, plain, where each of them lies. Returns the position of that list,
 * which is what the superblock points to. `head` stands before the list.
 */
export function writeLookupTable(
  output: TableOutput,
  table: MetadataWriter,
  head: Uint8Array = new Uint8Array(0),
): number {
  const start = output.position;
  table.flush(output);
  const list = output.position;
  const bytes = new Uint8Array(head.length + table.positions.length * blockPosition.size);
  bytes.set(head);
  let at = head.length;
  for (const position of table.positions) {
    blockPosition.write(bytes, at, { position: start + position });
    at += blockPosition.size;
  }
  output.append(bytes);
  return list;
}
