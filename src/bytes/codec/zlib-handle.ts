import zlib from 'node:zlib';

/**
 * The one place that touches the private native handle under Node's zlib streams.
 *
 * The public synchronous functions build a stream object and a fresh output buffer a call, and cannot continue a
 * stream; the handle underneath does exactly what the C libraries do: so much input, so much output, go. It inflates
 * three times as fast as `gunzipSync` and allocates nothing. It is not a documented API, so its shape is checked once
 * by a small round trip; where that fails `hasZlibHandle` is false and the callers take their slower public way.
 */
interface NativeHandle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
  reset(): void;
  close(): void;
  onerror: (message: string, errno: number, code: string) => void;
}

interface NativeStream {
  readonly _handle: NativeHandle | null;
  /** After a write: output room left, input bytes left. */
  readonly _writeState: Uint32Array;
}

/** What the C library said, e.g. `Z_DATA_ERROR` and "invalid distance code". */
export interface HandleFailure {
  readonly code: string;
  readonly message: string;
}

const kinds = {
  inflate: () => zlib.createInflate(),
  'inflate-raw': () => zlib.createInflateRaw(),
  deflate: (level: number) => zlib.createDeflate({ level }),
  'deflate-raw': (level: number) => zlib.createDeflateRaw({ level }),
  'zstd-decompress': () => zlib.createZstdDecompress(),
  'zstd-compress': (level: number) =>
    zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_compressionLevel]: level } }),
} as const;
export type HandleKind = keyof typeof kinds;

const nothing = new Uint8Array(0);
/** The native side counts in 32 bits: a longer range is taken to be this long, in bytes. */
export const longestRange = 0x40000000;

export class ZlibHandle {
  /** Bytes that the last `write` took from the input. */
  consumed = 0;
  /** Bytes that the last `write` put into the output. */
  produced = 0;
  /** Set once the library has refused something. `reset` mends a zlib handle then; one of zstd has to be replaced. */
  failure: HandleFailure | undefined;
  /** Kept for its lifetime: the native side points into its `_writeState`. */
  readonly #stream: NativeStream;
  #handle: NativeHandle | undefined;

  constructor(kind: HandleKind, level = 0) {
    this.#stream = kinds[kind](level) as unknown as NativeStream;
    this.#handle = this.#stream._handle ?? undefined;
    if (this.#handle === undefined) throw new TypeError('zlib stream without a handle');
    this.#handle.onerror = (message, _errno, code) => {
      this.failure = { code, message };
    };
  }

  /** One step of the library; check `failure` after it. Ranges must lie within the views: the native side aborts. */
  write(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void {
    if (this.#handle === undefined) throw new TypeError('the codec is closed');
    if (inputLength > longestRange) inputLength = longestRange;
    if (outputLength > longestRange) outputLength = longestRange;
    this.consumed = 0;
    this.produced = 0;
    this.#handle.writeSync(
      flush,
      inputLength === 0 ? nothing : input,
      inputLength === 0 ? 0 : inputOffset,
      inputLength,
      output,
      outputOffset,
      outputLength,
    );
    if (this.failure !== undefined) return;
    this.consumed = inputLength - this.#stream._writeState[1]!;
    this.produced = outputLength - this.#stream._writeState[0]!;
  }

  reset(): void {
    this.failure = undefined;
    this.#handle?.reset();
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }
}

let checked: boolean | undefined;

/** Whether the private handle of this Node behaves as this file believes. */
export function hasZlibHandle(): boolean {
  checked ??= check();
  return checked;
}

function check(): boolean {
  try {
    const text = new Uint8Array(1000).fill(7);
    return (
      roundTrip(text, 'deflate', 'inflate', zlib.constants.Z_FINISH) &&
      roundTrip(text, 'deflate-raw', 'inflate-raw', zlib.constants.Z_FINISH) &&
      roundTrip(text, 'zstd-compress', 'zstd-decompress', zlib.constants.ZSTD_e_end)
    );
  } catch {
    return false;
  }
}

function roundTrip(text: Uint8Array, pack: HandleKind, unpack: HandleKind, flush: number): boolean {
  const [packer, unpacker] = [new ZlibHandle(pack, 3), new ZlibHandle(unpack)];
  const packed = new Uint8Array(2000);
  const unpacked = new Uint8Array(2000);
  packer.write(flush, text, 0, text.length, packed, 0, packed.length);
  const size = packer.produced;
  unpacker.write(0, packed, 0, size, unpacked, 0, 600);
  const first = unpacker.produced;
  unpacker.write(0, packed, unpacker.consumed, size - unpacker.consumed, unpacked, 600, 1400);
  const same = first === 600 && unpacker.produced === 400 && unpacked.indexOf(0) === 1000;
  const fine = packer.failure === undefined && unpacker.failure === undefined && packer.consumed === 1000;
  unpacker.write(0, text, 0, 4, unpacked, 0, 10);
  packer.close();
  unpacker.close();
  return same && fine;
}
