import { crc32 } from 'node:zlib';
import { CodecError, corrupt } from './error.ts';

/** The largest dictionary accepted: what `xz -9` makes is half of it. */
export const dictionaryLimit = 2 ** 27;
const lzma2 = 0x21;
const x86 = 0x04;
const others: Readonly<Record<number, string>> = {
  3: 'delta',
  5: 'PowerPC BCJ',
  6: 'IA-64 BCJ',
  7: 'ARM BCJ',
  8: 'ARM Thumb BCJ',
  9: 'SPARC BCJ',
  10: 'ARM64 BCJ',
  11: 'RISC-V BCJ',
};

export const streamMagic: Uint8Array = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00);

export interface BlockHeader {
  readonly compressedSize: number | undefined;
  readonly uncompressedSize: number | undefined;
  readonly dictionarySize: number;
  /** The x86 filter that is to follow, with the position at which it starts. */
  readonly x86Start: number | undefined;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! + bytes[at + 1]! * 0x100 + bytes[at + 2]! * 0x10000 + bytes[at + 3]! * 0x1000000;
}

/** A stream header without its magic (flags, CRC-32): returns the check's number. */
export function readStreamFlags(bytes: Uint8Array): number {
  if (crc32(bytes.subarray(0, 2)) !== readUint32(bytes, 2))
    throw corrupt('xz: the stream header fails its checksum');
  if (bytes[0] !== 0 || bytes[1]! > 15) throw new CodecError('unsupported', 'xz: unknown stream flags');
  return bytes[1]!;
}

/** A whole block header, from its size byte to its CRC-32. */
export function readBlockHeader(bytes: Uint8Array): BlockHeader {
  const end = bytes.length - 4;
  if (crc32(bytes.subarray(0, end)) !== readUint32(bytes, end))
    throw corrupt('xz: a block header fails its checksum');
  const flags = bytes[1]!;
  if ((flags & 0x3c) !== 0) throw new CodecError('unsupported', 'xz: unknown block flags');
  let at = 2;
  const number = (): number => {
    let value = 0;
    for (let scale = 1, count = 0; ; scale *= 128) {
      const byte = at < end ? bytes[at++]! : 0;
      value += (byte % 128) * scale;
      if (byte < 128) {
        if (byte === 0 && count > 0) throw corrupt('xz: a number in a block header that ends wrongly');
        return value;
      }
      if (++count === 9) throw corrupt('xz: a number in a block header is too long');
    }
  };
  const compressedSize = (flags & 0x40) === 0 ? undefined : number();
  const uncompressedSize = (flags & 0x80) === 0 ? undefined : number();
  let dictionarySize = 0;
  let x86Start: number | undefined;
  const last = flags & 3;
  for (let filter = 0; filter <= last; filter++) {
    const [id, size] = [number(), number()];
    if (id === x86 && filter === 0 && last === 1) {
      if ((size !== 0 && size !== 4) || at + size > end) throw corrupt('xz: impossible x86 properties');
      x86Start = size === 0 ? 0 : readUint32(bytes, at);
      at += size;
      continue;
    }
    if (id !== lzma2 || filter !== last || (last > 0 && x86Start === undefined)) {
      const name = others[id] ?? (id === lzma2 || id === x86 ? 'another chain of filters' : `number ${id}`);
      const known = 'xz: filters other than LZMA2, alone or behind x86, are not supported';
      throw new CodecError('unsupported', `${known} (${name})`);
    }
    if (size !== 1 || at >= end) throw corrupt('xz: impossible LZMA2 properties');
    dictionarySize = readDictionarySize(bytes[at++]!);
  }
  while (at < end) if (bytes[at++] !== 0) throw corrupt('xz: a block header has bytes after its end');
  return { compressedSize, uncompressedSize, dictionarySize, x86Start };
}

function readDictionarySize(bits: number): number {
  if (bits > 40) throw corrupt('xz: impossible dictionary size');
  const size = (2 + (bits % 2)) * 2 ** (Math.floor(bits / 2) + 11);
  if (size <= dictionaryLimit) return size;
  throw new CodecError('exhausted', `xz: the data needs a dictionary of ${size} bytes`, {
    detail: { size, limit: dictionaryLimit },
    hint: `at most ${dictionaryLimit} bytes are accepted; compress it with a preset, which all need less`,
  });
}
