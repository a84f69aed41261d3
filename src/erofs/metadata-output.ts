import type { Hash } from 'node:crypto';
import type { ByteString } from '../tree/index.ts';

/** Where an image's bytes go, which are only ever appended. `position` counts from the image's start. */
export interface ErofsOutput {
  /** Takes the bytes before it returns: others follow in the same memory. */
  append(bytes: Uint8Array): void;
  readonly position: number;
}

/** The most that `take` gives at once, in bytes. */
export const maxTake = 0x10000;
const pieceSize = 0x100000;
/** Shorter strings are written faster one character at a time than by a call into Node. */
const shortText = 40;

/**
 * What emits metadata sees: the same routine runs over a `MetadataMeasure`, which only counts, and then over a
 * `MetadataWriter`. So the sizes that places are computed from cannot differ from what is written.
 */
export interface MetadataOutput {
  /** From the image's start, or from wherever a measure was set to. */
  readonly position: number;
  /** Where `take` made room. */
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Appends up to `maxTake` zeros and returns their offset in `bytes`, to be overwritten before the next call. */
  take(size: number): number;
  text(text: ByteString): void;
  append(bytes: Uint8Array): void;
  /** Appends what `write` puts into `size` bytes, `maxTake` at most. A measure does not ask for it. */
  fill(size: number, write: (target: Uint8Array) => void): void;
  /** Appends zeros up to a position that `unit` divides. */
  align(unit: number): void;
}

export class MetadataMeasure implements MetadataOutput {
  readonly bytes = Buffer.alloc(maxTake);
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  position: number;

  constructor(position: number) {
    this.position = position;
  }

  take(size: number): number {
    this.position += size;
    return 0;
  }

  text(text: ByteString): void {
    this.position += text.length;
  }

  append(bytes: Uint8Array): void {
    this.position += bytes.length;
  }

  fill(size: number): void {
    this.position += size;
  }

  align(unit: number): void {
    this.position = aligned(this.position, unit);
  }
}

/**
 * Hands pieces of 1 MiB on, and hashes all but what came by `fill`: contents of files. The memory is the same for all: new
 * memory for each would have a large tree's garbage collected all the time.
 */
export class MetadataWriter implements MetadataOutput {
  readonly #output: ErofsOutput;
  readonly #hash: Hash;
  readonly bytes = Buffer.alloc(pieceSize);
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, pieceSize);
  #base: number;
  #used = 0;
  /** Of this piece: where contents begin and end, one after the other. */
  #filled: number[] = [];
  readonly #hashed = Buffer.alloc(pieceSize);
  readonly #room = new ArrayBuffer(maxTake);
  /** By size. */
  readonly #targets: Uint8Array[] = [];

  constructor(output: ErofsOutput, hash: Hash) {
    this.#output = output;
    this.#hash = hash;
    this.#base = output.position;
  }

  get position(): number {
    return this.#base + this.#used;
  }

  take(size: number): number {
    if (this.#used + size > pieceSize) this.flush();
    const offset = this.#used;
    this.#used += size;
    return offset;
  }

  text(text: ByteString): void {
    const { length } = text;
    const offset = this.take(length);
    const { bytes } = this;
    if (length > shortText) bytes.write(text, offset, 'latin1');
    else for (let at = 0; at < length; at++) bytes[offset + at] = text.charCodeAt(at);
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const size = Math.min(bytes.length - done, maxTake);
      const offset = this.take(size);
      this.bytes.set(bytes.subarray(done, done + size), offset);
      done += size;
    }
  }

  fill(size: number, write: (target: Uint8Array) => void): void {
    const offset = this.take(size);
    this.#filled.push(offset, offset + size);
    // A million views of pieces would be more work than their contents.
    this.#targets[size] ??= new Uint8Array(this.#room, 0, size);
    const target = this.#targets[size];
    write(target);
    this.bytes.set(target, offset);
  }

  align(unit: number): void {
    this.skipTo(aligned(this.position, unit));
  }

  skipTo(position: number): void {
    while (this.position < position) this.take(Math.min(position - this.position, maxTake));
  }

  flush(): void {
    if (this.#used === 0) return;
    const piece = this.bytes.subarray(0, this.#used);
    this.#hash.update(this.#withoutContents(piece));
    this.#output.append(piece);
    this.#base += this.#used;
    this.#used = 0;
    // What is taken is zeros until it is written.
    piece.fill(0);
  }

  #withoutContents(piece: Buffer): Buffer {
    const filled = this.#filled;
    if (filled.length === 0) return piece;
    let size = 0;
    let from = 0;
    for (let range = 0; range <= filled.length; range += 2) {
      const to = filled[range] ?? piece.length;
      piece.copy(this.#hashed, size, from, to);
      size += to - from;
      from = filled[range + 1] ?? to;
    }
    filled.length = 0;
    return this.#hashed.subarray(0, size);
  }
}

function aligned(position: number, unit: number): number {
  return Math.ceil(position / unit) * unit;
}
