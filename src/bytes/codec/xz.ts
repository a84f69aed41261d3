import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { corrupt } from './error.ts';
import { FilteredOutput } from './filtered-output.ts';
import { Input } from './input.ts';
import { Lzma2Decoder, type Take } from './lzma2.ts';
import { nothing } from './padding.ts';
import type { Decompressor } from './types.ts';
import { X86Filter } from './x86-filter.ts';
import { type Check, createCheck } from './xz-check.ts';
import { readBlockHeader, readStreamFlags, readUint32, streamMagic } from './xz-header.ts';

/** What a stream's index must repeat of its blocks: their number, and a hash over their sizes, so that memory stays bounded. */
class Records {
  count = 0;
  readonly #hash: Hash = createHash('sha256');

  add(unpaddedSize: number, uncompressedSize: number): void {
    this.count++;
    this.#hash.update(`${unpaddedSize} ${uncompressedSize}\n`);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** The .xz format, version 1.2: streams of blocks of LZMA2 (behind the x86 filter, as kernels have it), each block with its check, each stream with its index. */
export class XzDecompressor implements Decompressor {
  readonly #input = new Input();
  readonly #lzma2 = new Lzma2Decoder();
  readonly #run = this.#decode();
  #output = nothing;
  #to = 0;
  /** Between streams, where the input may end. */
  #between = false;

  push(input: Uint8Array): void {
    this.#input.push(input);
  }

  read(output: Uint8Array): number {
    this.#output = output;
    this.#to = 0;
    this.#run.next();
    this.#output = nothing;
    return this.#to;
  }

  finish(): void {
    if (!this.#between) throw corrupt('xz: the stream is cut');
  }

  close(): void {
    this.#input.push(nothing);
  }

  *#decode(): Generator<void, void, void> {
    const input = this.#input;
    for (let first = true, padding = 0; ; first = false) {
      let byte = yield* input.byte();
      for (padding = 0; byte === 0 && !first; padding++) byte = yield* input.byte();
      if (padding % 4 !== 0) throw corrupt('xz: bytes after the end of the stream that are not zeros');
      this.#between = false;
      for (let at = 0; at < streamMagic.length; at++) {
        if (at > 0) byte = yield* input.byte();
        if (byte === streamMagic[at]) continue;
        throw corrupt(
          first ? 'xz: not an xz stream' : 'xz: bytes after the end of the stream that are not zeros',
        );
      }
      yield* this.#stream();
      this.#between = true;
    }
  }

  *#stream(): Generator<void, void, void> {
    const input = this.#input;
    const flags = new Uint8Array(6);
    yield* input.fill(flags, 0, 6);
    const checkId = readStreamFlags(flags);
    const records = new Records();
    for (;;) {
      const size = yield* input.byte();
      if (size === 0) break;
      const header = new Uint8Array((size + 1) * 4);
      header[0] = size;
      yield* input.fill(header, 1, header.length);
      yield* this.#block(header, createCheck(checkId), records);
    }
    const indexSize = yield* this.#index(records);
    const footer = new Uint8Array(12);
    yield* input.fill(footer, 0, 12);
    if (crc32(footer.subarray(4, 10)) !== readUint32(footer, 0))
      throw corrupt('xz: the footer fails its checksum');
    if (footer[8] !== flags[0] || footer[9] !== flags[1]) throw corrupt('xz: footer and header differ');
    if ((readUint32(footer, 4) + 1) * 4 !== indexSize)
      throw corrupt('xz: the footer gives another index size');
    if (footer[10] !== 0x59 || footer[11] !== 0x5a) throw corrupt('xz: the footer lacks its magic');
  }

  *#block(header: Uint8Array, check: Check, records: Records): Generator<void, void, void> {
    const input = this.#input;
    const { compressedSize, uncompressedSize, dictionarySize, x86Start } = readBlockHeader(header);
    let length = 0;
    input.count = 0;
    const give: Take = bytes => {
      const size = Math.min(bytes.length, this.#output.length - this.#to);
      const part = size === bytes.length ? bytes : bytes.subarray(0, size);
      this.#output.set(part, this.#to);
      this.#to += size;
      length += size;
      check.update(part);
      return size;
    };
    if (x86Start === undefined) yield* this.#lzma2.decode(input, dictionarySize, give);
    else {
      const filtered = new FilteredOutput(new X86Filter(x86Start), give);
      yield* this.#lzma2.decode(input, dictionarySize, bytes => filtered.take(bytes));
      while (!filtered.finish()) yield;
    }
    const packed = input.count;
    if (compressedSize !== undefined && compressedSize !== packed)
      throw corrupt('xz: a block has another size');
    if (uncompressedSize !== undefined && uncompressedSize !== length) {
      throw corrupt('xz: the data has another length than its block says');
    }
    yield* this.#zeros((4 - (packed % 4)) % 4);
    const expected = new Uint8Array(check.size);
    yield* input.fill(expected, 0, check.size);
    const actual = check.digest();
    if (expected.some((byte, at) => byte !== actual[at])) throw corrupt('xz: the data fails its check');
    records.add(header.length + packed + check.size, length);
  }

  /** Behind its first byte, which is 0; returns the size of all of it. */
  *#index(records: Records): Generator<void, number, void> {
    const input = this.#input;
    const crc = { value: crc32(Uint8Array.of(0)) };
    input.count = 1;
    const wrong = 'xz: the index does not fit the blocks';
    if ((yield* this.#number(crc)) !== records.count) throw corrupt(wrong);
    const listed = new Records();
    while (listed.count < records.count) listed.add(yield* this.#number(crc), yield* this.#number(crc));
    if (listed.digest() !== records.digest()) throw corrupt(wrong);
    const padding = (4 - (input.count % 4)) % 4;
    yield* this.#zeros(padding);
    crc.value = crc32(new Uint8Array(padding), crc.value);
    const expected = new Uint8Array(4);
    yield* input.fill(expected, 0, 4);
    if (readUint32(expected, 0) !== crc.value) throw corrupt('xz: the index fails its checksum');
    return input.count;
  }

  *#zeros(count: number): Generator<void, void, void> {
    for (; count > 0; count--) {
      if ((yield* this.#input.byte()) !== 0) throw corrupt('xz: padding that is not zeros');
    }
  }

  *#number(crc: { value: number }): Generator<void, number, void> {
    let value = 0;
    for (let scale = 1, count = 0; ; scale *= 128) {
      const byte = yield* this.#input.byte();
      crc.value = crc32(Uint8Array.of(byte), crc.value);
      value += (byte % 128) * scale;
      if (byte < 128) {
        if (byte === 0 && count > 0) throw corrupt('xz: a number in the index that ends wrongly');
        return value;
      }
      if (++count === 9) throw corrupt('xz: a number in the index is too long');
    }
  }
}
