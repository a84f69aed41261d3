import { type NativeFunction, type NativeLibrary, openLibrary } from './library.ts';

/** LZMA_CHECK_CRC32. */
const checkCrc32 = 1;
/** LZMA_FILTER_LZMA2 and LZMA_VLI_UNKNOWN, which ends a chain of filters. */
const filterLzma2 = 0x21n;
const noFilter = 0xffffffffffffffffn;
/** `lzma_options_lzma` is 112 bytes on 64-bit machines, its first word the dictionary's size; there is room to spare. */
const optionsSize = 1024;
const ok = 0;
/** LZMA_BUF_ERROR: the output did not fit. */
const noRoom = 10;

interface Liblzma {
  readonly library: NativeLibrary;
  readonly preset: NativeFunction;
  readonly encode: NativeFunction;
}

let loaded: Liblzma | undefined | null = null;

function open(): Liblzma | undefined {
  if (loaded !== null) return loaded;
  loaded = undefined;
  const is64Bit = process.arch === 'x64' || process.arch === 'arm64';
  const library = is64Bit ? openLibrary('liblzma.so.5', 'liblzma.5.dylib') : undefined;
  if (library === undefined) return undefined;
  try {
    const preset = library.func('uint8_t lzma_lzma_preset(void *options, uint32_t preset)');
    const encode = library.func(
      'int lzma_stream_buffer_encode(void *filters, int check, void *allocator, const void *in, size_t in_size, void *out, void *out_pos, size_t out_size)',
    );
    loaded = { library, preset, encode };
  } catch {
    // A library of that name without these functions: as good as none.
  }
  return loaded;
}

/** Whether the system has liblzma. */
export function hasLiblzma(): boolean {
  return open() !== undefined;
}

/** One filter chain of LZMA2, encoding whole buffers to whole xz streams with a CRC-32. */
export class LzmaEncoder {
  readonly #lzma: Liblzma;
  readonly #options = new DataView(new ArrayBuffer(optionsSize));
  readonly #filters = new DataView(new ArrayBuffer(4 * 16));
  readonly #position = new DataView(new ArrayBuffer(8));

  /** Throws a TypeError where `hasLiblzma` says no, or for a preset that the library does not have. */
  constructor(preset: number) {
    const lzma = open();
    if (lzma === undefined) throw new TypeError('no liblzma');
    this.#lzma = lzma;
    if (lzma.preset(this.#options, preset) !== 0) throw new TypeError(`liblzma has no preset ${preset}`);
    this.#filters.setBigUint64(0, filterLzma2, true);
    const { library } = lzma;
    this.#filters.setBigUint64(8, library.address(this.#options), true);
    this.#filters.setBigUint64(16, noFilter, true);
  }

  /** The length of the stream in `output`, 0 when it does not fit, or liblzma's code, negated, when it fails. */
  encode(input: Uint8Array, output: Uint8Array, dictionarySize: number): number {
    this.#options.setUint32(0, dictionarySize, true);
    this.#position.setBigUint64(0, 0n, true);
    const result = this.#lzma.encode(
      this.#filters,
      checkCrc32,
      null,
      input,
      input.length,
      output,
      this.#position,
      output.length,
    );
    if (result === noRoom) return 0;
    return result === ok ? Number(this.#position.getBigUint64(0, true)) : -result;
  }
}
