import type { ByteString } from '../tree/index.ts';
import { type Field, header, magic, star } from './layout.ts';

/** Who wrote a header, as far as it changes what the fields mean. */
export type Dialect = 'v7' | 'ustar' | 'gnu';

export function dialectOf(block: Buffer, base: number): Dialect {
  const { at } = header.magic;
  // 'ustar' with one comparison a byte: this runs for every entry.
  if (
    block[base + at] !== 0x75 ||
    block[base + at + 1] !== 0x73 ||
    block[base + at + 2] !== 0x74 ||
    block[base + at + 3] !== 0x61 ||
    block[base + at + 4] !== 0x72
  ) {
    return 'v7';
  }
  const last = block[base + at + 5];
  return last === magic.ustar.charCodeAt(5) ? 'ustar' : last === magic.gnu.charCodeAt(5) ? 'gnu' : 'v7';
}

/** The text of a field up to its first NUL, byte for byte. */
export function readText(block: Buffer, base: number, field: Field): ByteString {
  const start = base + field.at;
  const limit = start + field.length;
  let end = start;
  while (end < limit && block[end] !== 0) end += 1;
  return block.toString('latin1', start, end);
}

/** The path as the header alone has it: only ustar has a prefix. */
export function readPath(block: Buffer, base: number, dialect: Dialect): ByteString {
  const name = readText(block, base, header.name);
  if (dialect !== 'ustar' || block[base + header.prefix.at] === 0) return name;
  const { at, length } = star.magic;
  const isStar = block.toString('latin1', base + at, base + at + length) === magic.star;
  return `${readText(block, base, isStar ? star.prefix : header.prefix)}/${name}`;
}
