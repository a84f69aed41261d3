import { CodecError } from '../codec/error.ts';
import type { Inflater } from '../codec/inflater.ts';
import { longestRange } from '../codec/zlib-handle.ts';
import { type NativeFunction, type NativeLibrary, openLibrary } from './library.ts';

/**
 * Intel's ISA-L inflates about twice as fast as zlib. Its state is a C struct that this file knows by byte offsets
 * (`struct inflate_state` of igzip_lib.h, the same in 2.2x to 2.31 on 64-bit little-endian machines). A library with
 * another layout is found out by a trial when it is loaded, in a buffer with room to spare, and then left alone.
 */
const state = {
  nextOut: 0,
  availableOut: 8,
  nextIn: 16,
  availableIn: 32,
  blockState: 21160,
  crcFlag: 21172,
  size: 87368,
} as const;
/**
 * ISAL_GZIP_NO_HDR_VER: a gzip member without its header, the trailer's checksum and length verified. (Raw deflate
 * would not do: the library reads ahead, and would keep bytes of the trailer.)
 */
const memberWithoutHeader = 6;
/** ISAL_BLOCK_FINISH: the trailer is verified and all output is out. */
const finished = 5;
/** ISAL_END_INPUT and ISAL_OUT_OVERFLOW are no failures; codes below zero are. */
const failures: Readonly<Record<number, string>> = {
  [-1]: 'invalid block',
  [-2]: 'invalid symbol',
  [-3]: 'invalid distance',
  [-6]: 'the data fails its checksum',
};

interface Isal {
  readonly library: NativeLibrary;
  readonly init: NativeFunction;
  readonly inflate: NativeFunction;
}

let loaded: Isal | undefined | null = null;

/** An inflater of the system's libisal; `undefined` where it is missing or not as expected. */
export function openIsalInflater(): Inflater | undefined {
  if (loaded === null) loaded = load();
  return loaded === undefined ? undefined : new IsalInflater(loaded);
}

function load(): Isal | undefined {
  if (process.arch !== 'x64' && process.arch !== 'arm64') return undefined;
  const library = openLibrary('libisal.so.2', 'libisal.2.dylib');
  if (library === undefined) return undefined;
  try {
    const init = library.func('void isal_inflate_init(void *state)');
    const inflate = library.func('int isal_inflate(void *state)');
    const isal = { library, init, inflate };
    return works(new IsalInflater(isal)) ? isal : undefined;
  } catch {
    return undefined;
  }
}

/** `sampleText` as deflate with fixed codes and one match, its trailer, and two bytes that do not belong to it. */
const sample = Uint8Array.of(
  ...[0x4b, 0x4c, 0x4a, 0x4e, 0x84, 0x21, 0x00],
  ...[0x34, 0x2a, 0x6e, 0x5a, 0x0c, 0x00, 0x00, 0x00],
  ...[0xaa, 0x55],
);
const sampleText = 'abcabcabcabc';

function works(inflater: IsalInflater): boolean {
  for (let round = 0; round < 2; round++) {
    const output = new Uint8Array(64);
    inflater.inflate(sample, 0, 3, output, 0, 64);
    let size = inflater.produced;
    if (inflater.ended || inflater.consumed !== 3) return false;
    inflater.inflate(sample, 3, sample.length - 3, output, size, 5 - size);
    size += inflater.produced;
    if (inflater.ended || size !== 5) return false;
    const used = 3 + inflater.consumed;
    inflater.inflate(sample, used, sample.length - used, output, size, 64 - size);
    size += inflater.produced;
    const text = String.fromCharCode(...output.subarray(0, size));
    if (!inflater.ended || used + inflater.consumed !== 15 || text !== sampleText) return false;
    inflater.reset();
  }
  const wrong = sample.with(9, 0);
  try {
    inflater.inflate(wrong, 0, wrong.length, new Uint8Array(64), 0, 64);
    return false;
  } catch {
    return true;
  }
}

class IsalInflater implements Inflater {
  consumed = 0;
  produced = 0;
  ended = false;
  readonly crc = 0;
  readonly verifies = true;
  readonly #isal: Isal;
  readonly #state = new DataView(new ArrayBuffer(state.size * 3));

  constructor(isal: Isal) {
    this.#isal = isal;
    this.reset();
  }

  inflate(
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void {
    const view = this.#state;
    const { library, inflate } = this.#isal;
    inputLength = Math.min(inputLength, longestRange);
    outputLength = Math.min(outputLength, longestRange);
    view.setBigUint64(state.nextIn, library.address(input) + BigInt(inputOffset), true);
    view.setUint32(state.availableIn, inputLength, true);
    view.setBigUint64(state.nextOut, library.address(output) + BigInt(outputOffset), true);
    view.setUint32(state.availableOut, outputLength, true);
    const result = inflate(view);
    if (result < 0) {
      throw new CodecError('corrupt', `gzip: ${failures[result] ?? `libisal says ${result}`}`, {
        hint: 'the data was damaged or cut; fetch it again',
      });
    }
    this.consumed = inputLength - view.getUint32(state.availableIn, true);
    this.produced = outputLength - view.getUint32(state.availableOut, true);
    this.ended = view.getUint32(state.blockState, true) === finished;
  }

  reset(): void {
    this.#isal.init(this.#state);
    this.#state.setUint32(state.crcFlag, memberWithoutHeader, true);
    this.ended = false;
  }

  close(): void {}
}
