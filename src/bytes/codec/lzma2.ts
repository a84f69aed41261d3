import { corrupt } from './error.ts';
import type { Input } from './input.ts';
import { chunkSlack, LzmaDecoder } from './lzma.ts';
import { LzmaWindow } from './lzma-window.ts';

/** Takes decoded bytes, which stay valid only during the call; returns how many it took, 0 when it has no room. */
export type Take = (bytes: Uint8Array) => number;

/**
 * LZMA2: a sequence of chunks, each with a control byte. 0 ends it, 1 and 2 are stored bytes, with and without a new
 * dictionary; from 0x80 on an LZMA chunk, whose bits 5 and 6 say how much starts afresh: nothing, the state, the
 * properties too, the dictionary too; the low five bits are the top of its length.
 */
export class Lzma2Decoder {
  readonly #window = new LzmaWindow();
  readonly #lzma = new LzmaDecoder(this.#window);
  readonly #chunk = new Uint8Array(0x10000 + chunkSlack);

  *decode(input: Input, dictionarySize: number, take: Take): Generator<void, void, void> {
    let needsDictionary = true;
    let needsProperties = true;
    let needsState = true;
    this.#window.open(dictionarySize);
    for (;;) {
      const control = yield* input.byte();
      if (control === 0) return;
      if (control > 2 && control < 0x80) throw corrupt('xz: unknown LZMA2 control byte');
      const renewal = control < 0x80 ? 0 : (control >> 5) & 3;
      if (control === 1 || renewal === 3) {
        this.#window.reset();
        needsDictionary = false;
      }
      if (needsDictionary) throw corrupt('xz: data without a dictionary reset before it');
      const low = yield* this.#word(input);
      if (control < 0x80) {
        yield* this.#stored(input, low + 1, take);
        continue;
      }
      const length = (control & 31) * 0x10000 + low + 1;
      const size = (yield* this.#word(input)) + 1;
      if (renewal >= 2) {
        this.#lzma.setProperties(yield* input.byte());
        needsProperties = false;
      }
      if (renewal >= 1) {
        this.#lzma.reset();
        needsState = false;
      }
      if (needsProperties || needsState) throw corrupt('xz: data without a state reset before it');
      yield* input.fill(this.#chunk, 0, size);
      this.#chunk.fill(0, size, size + chunkSlack);
      this.#lzma.begin(this.#chunk, size);
      yield* this.#coded(length, take);
      this.#lzma.end();
    }
  }

  *#word(input: Input): Generator<void, number, void> {
    const high = yield* input.byte();
    return high * 256 + (yield* input.byte());
  }

  *#coded(length: number, take: Take): Generator<void, void, void> {
    const window = this.#window;
    while (length > 0) {
      const room = window.room(Math.min(length, 0x10000));
      const start = window.position;
      this.#lzma.decode(start + room);
      length -= room;
      yield* this.#give(start, take);
    }
  }

  *#stored(input: Input, length: number, take: Take): Generator<void, void, void> {
    const window = this.#window;
    while (length > 0) {
      const room = window.room(length);
      const start = window.position;
      yield* input.fill(window.buffer, start, start + room);
      window.advance(room);
      length -= room;
      yield* this.#give(start, take);
    }
  }

  *#give(start: number, take: Take): Generator<void, void, void> {
    const { buffer, position } = this.#window;
    while (start < position) {
      const taken = take(buffer.subarray(start, position));
      if (taken === 0) yield;
      start += taken;
    }
  }
}
