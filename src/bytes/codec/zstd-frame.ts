import { CodecError, corrupt } from './error.ts';

/** Window limit, as the zstd command line has it: 2^27 bytes. */
const windowLimit = 2 ** 27;
const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
/** Sizes by the two bits of the descriptor (RFC 8878, 3.1.1.1). */
const dictionarySize = [0, 1, 2, 4] as const;
const contentSize = [0, 2, 4, 8] as const;

/**
 * Follows the frames of a zstd stream by their headers alone (RFC 8878, 3.1), whatever the cuts of its input: the
 * library does not tell where a frame ends, so it cannot tell a whole stream from a cut one.
 */
export class ZstdFrames {
  /** Complete frames so far, skippable ones too. */
  frames = 0;
  /** Whether the current frame, or the last one between two, is skippable: without content. */
  skippable = false;
  #stage: 'magic' | 'skip-size' | 'descriptor' | 'header' | 'block' | 'body' | 'padding' = 'magic';
  /** Bytes of the current field that are still to come, and its value so far. */
  #left = 4;
  readonly #field = new DataView(new ArrayBuffer(16));
  #filled = 0;
  #lastBlock = false;
  #checksum = false;
  #singleSegment = false;
  #contentField = 0;
  #dictionaryField = 0;

  get atBoundary(): boolean {
    return this.#stage === 'padding' || (this.#stage === 'magic' && this.#filled === 0);
  }

  /** Follows `input` to its end; returns where the frames end in it: less than its length when padding begins. */
  follow(input: Uint8Array): number {
    let at = 0;
    while (at < input.length && this.#stage !== 'padding') at = this.followOne(input, at);
    return at;
  }

  /** The same from `at` on, but no further than to the end of one frame. */
  followOne(input: Uint8Array, at: number): number {
    const done = this.frames;
    while (at < input.length && this.frames === done) {
      if (this.#stage === 'body') {
        const step = Math.min(this.#left, input.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.#endOfBody();
        continue;
      }
      const byte = input[at]!;
      if (this.#stage === 'magic' && this.#filled === 0 && this.frames > 0 && byte === 0)
        this.#stage = 'padding';
      if (this.#stage === 'padding') return at;
      at++;
      this.#field.setUint8(this.#filled++, byte);
      if (--this.#left === 0) this.#endOfField();
    }
    return at;
  }

  #expect(stage: 'magic' | 'skip-size' | 'descriptor' | 'header' | 'block' | 'body', size: number): void {
    this.#stage = stage;
    this.#left = size;
    this.#filled = 0;
  }

  #endOfField(): void {
    const field = this.#field;
    if (this.#stage === 'magic') {
      const magic = field.getUint32(0, true);
      this.skippable = magic !== frameMagic;
      if (!this.skippable) this.#expect('descriptor', 1);
      else if (magic - (magic % 16) === skippableMagic) this.#expect('skip-size', 4);
      else if (this.frames > 0) throw corrupt('zstd: bytes after the last frame that are not zeros');
      else throw corrupt('zstd: not a zstd frame');
    } else if (this.#stage === 'skip-size') {
      this.#lastBlock = true;
      this.#checksum = false;
      this.#body(field.getUint32(0, true));
    } else if (this.#stage === 'descriptor') this.#descriptor(field.getUint8(0));
    else if (this.#stage === 'header') {
      this.#checkHeader();
      this.#expect('block', 3);
    } else if (this.#stage === 'block') this.#block(field.getUint16(0, true) + field.getUint8(2) * 0x10000);
  }

  #descriptor(bits: number): void {
    if ((bits & 8) !== 0) throw corrupt('zstd: a reserved bit is set in a frame header');
    this.#singleSegment = (bits & 0x20) !== 0;
    this.#checksum = (bits & 4) !== 0;
    this.#dictionaryField = dictionarySize[bits & 3]!;
    this.#contentField = contentSize[bits >> 6]!;
    if (this.#singleSegment && this.#contentField === 0) this.#contentField = 1;
    const size = (this.#singleSegment ? 0 : 1) + this.#dictionaryField + this.#contentField;
    this.#expect('header', size);
  }

  #checkHeader(): void {
    const field = this.#field;
    const at = this.#singleSegment ? 0 : 1;
    for (let index = 0; index < this.#dictionaryField; index++) {
      if (field.getUint8(at + index) !== 0) {
        throw new CodecError('unsupported', 'zstd: the frame needs a dictionary');
      }
    }
    const window = this.#singleSegment ? this.#content(at + this.#dictionaryField) : this.#window();
    if (window > windowLimit) {
      throw new CodecError('unsupported', `zstd: the frame needs a window of ${window} bytes`, {
        detail: { window, limit: windowLimit },
        hint: `at most ${windowLimit} bytes are accepted; compress it without --long, or with --long=27`,
      });
    }
  }

  #window(): number {
    const descriptor = this.#field.getUint8(0);
    const base = 2 ** (10 + (descriptor >> 3));
    return base + (base / 8) * (descriptor & 7);
  }

  #content(at: number): number {
    const field = this.#field;
    if (this.#contentField === 1) return field.getUint8(at);
    if (this.#contentField === 2) return field.getUint16(at, true) + 256;
    if (this.#contentField === 4) return field.getUint32(at, true);
    return Number(field.getBigUint64(at, true));
  }

  #block(word: number): void {
    this.#lastBlock = (word & 1) === 1;
    const type = (word >> 1) & 3;
    if (type === 3) throw corrupt('zstd: unknown block type');
    // A run-length block says its expanded size, but only one byte is there.
    this.#body(type === 1 ? 1 : word >> 3);
  }

  #body(size: number): void {
    this.#expect('body', size);
    if (size === 0) this.#endOfBody();
  }

  #endOfBody(): void {
    if (!this.#lastBlock) this.#expect('block', 3);
    else if (this.#checksum) {
      this.#checksum = false;
      this.#expect('body', 4);
    } else {
      this.frames++;
      this.#expect('magic', 4);
    }
  }
}
