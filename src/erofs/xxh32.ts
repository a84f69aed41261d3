import type { ByteString } from '../tree/index.ts';

const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;

/** XXH32 of the bytes of a string, unsigned: the filter of xattr names is made with it. */
export function xxh32(text: ByteString, seed: number): number {
  const { length } = text;
  let at = 0;
  let hash = (seed + prime5) | 0;
  if (length >= 16) {
    let a = (seed + prime1 + prime2) | 0;
    let b = (seed + prime2) | 0;
    let c = seed | 0;
    let d = (seed - prime1) | 0;
    for (; at + 16 <= length; at += 16) {
      a = round(a, word(text, at));
      b = round(b, word(text, at + 4));
      c = round(c, word(text, at + 8));
      d = round(d, word(text, at + 12));
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + length) | 0;
  for (; at + 4 <= length; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(word(text, at), prime3)) | 0, 17), prime4);
  }
  for (; at < length; at++) {
    hash = Math.imul(rotate((hash + Math.imul(text.charCodeAt(at), prime5)) | 0, 11), prime1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, prime2)) | 0, 13), prime1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(text: ByteString, at: number): number {
  return (
    text.charCodeAt(at) +
    (text.charCodeAt(at + 1) << 8) +
    (text.charCodeAt(at + 2) << 16) +
    (text.charCodeAt(at + 3) << 24)
  );
}
