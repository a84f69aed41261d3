import { corrupt } from './error.ts';
import { Lz4BlockCompressor, Lz4BlockDecompressor } from './lz4.ts';

/*
 * The frame that `lz4 -l` writes and that Linux reads (kernels and their first root): a magic number, then blocks of
 * 8 MiB, each behind the number of bytes that it takes compressed. Nothing says where it ends, and there is no checksum.
 */
const magic: Uint8Array = Uint8Array.of(0x02, 0x21, 0x4c, 0x18);
const blockBytes = 8 * 1024 * 1024;

/** A block of literals only takes a byte for each 255, and one or two more. */
const mostBytes = blockBytes + Math.ceil(blockBytes / 255) + 16;

/** Whether the bytes begin as such a frame does. */
export function isLz4Legacy(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && magic.every((byte, at) => bytes[at] === byte);
}

export function compressLz4Legacy(input: Uint8Array): Uint8Array {
  const compressor = new Lz4BlockCompressor();
  const pieces: Uint8Array[] = [magic];
  for (let at = 0; at < input.length; at += blockBytes) {
    const block = input.subarray(at, at + blockBytes);
    const room = new Uint8Array(block.length);
    const size = compressor.compress(block, room);
    // The frame has no way to say that a block is stored as it is.
    const stored = size > 0 ? room.subarray(0, size) : literalBlock(block);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(stored.length);
    pieces.push(head, stored);
  }
  return Buffer.concat(pieces);
}

function literalBlock(bytes: Uint8Array): Uint8Array {
  const head: number[] = [Math.min(bytes.length, 15) * 16];
  if (bytes.length >= 15) {
    let left = bytes.length - 15;
    for (; left >= 255; left -= 255) head.push(255);
    head.push(left);
  }
  const block = new Uint8Array(head.length + bytes.length);
  block.set(head);
  block.set(bytes, head.length);
  return block;
}

/**
 * The content of a frame, block by block; a block is valid until the next one is asked for. The input ends with the
 * frame, or with zeros after it. CodecError `corrupt` for anything else; memory is that of one block.
 */
export function* readLz4Legacy(input: Uint8Array): Generator<Uint8Array, void, void> {
  if (!isLz4Legacy(input)) throw corrupt('lz4: not a legacy frame');
  const decompressor = new Lz4BlockDecompressor();
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const output = new Uint8Array(blockBytes);
  let at = magic.length;
  for (let whole = true; at + 4 <= input.length; ) {
    const size = view.getUint32(at, true);
    if (size === 0) break;
    if (!whole) throw corrupt('lz4: a block of the legacy frame is short, but is not the last one');
    at += 4;
    if (size > mostBytes || size > input.length - at) throw corrupt('lz4: the legacy frame is cut');
    const length = decompressor.decompress(input.subarray(at, at + size), output);
    at += size;
    whole = length === blockBytes;
    yield output.subarray(0, length);
  }
  for (; at < input.length; at++) {
    if (input[at] !== 0) throw corrupt('lz4: bytes after the end of the legacy frame that are not zeros');
  }
}
