/**
 * The on-disk layout, all of it (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
 * A field is its offset in the block and its length; text is NUL-padded, numbers are octal text or base-256.
 */

export const blockSize = 512;

export interface Field {
  readonly at: number;
  readonly length: number;
}

function field(at: number, length: number): Field {
  return { at, length };
}

/** V7, and the part that all dialects share; from `magic` on ustar. */
export const header = {
  name: field(0, 100),
  mode: field(100, 8),
  uid: field(108, 8),
  gid: field(116, 8),
  size: field(124, 12),
  mtime: field(136, 12),
  checksum: field(148, 8),
  typeflag: field(156, 1),
  linkname: field(157, 100),

  magic: field(257, 6),
  version: field(263, 2),
  uname: field(265, 32),
  gname: field(297, 32),
  devmajor: field(329, 8),
  devminor: field(337, 8),
  prefix: field(345, 155),
} as const;

/** What star has in the prefix's tail: such an archive says so with `tar\0` in the last four bytes. */
export const star = {
  prefix: field(345, 131),
  magic: field(508, 4),
} as const;

/** Old GNU has no prefix: its last 167 bytes are other fields. */
export const gnu = {
  sparse: field(386, 96),
  isExtended: field(482, 1),
  realSize: field(483, 12),
} as const;

/** The block that continues the map of an old GNU sparse file. */
export const gnuExtension = {
  sparse: field(0, 504),
  isExtended: field(504, 1),
} as const;

/** One segment of an old GNU sparse map: an offset and a length. */
export const gnuSegment = { size: 24, offset: field(0, 12), length: field(12, 12) } as const;

export const magic = {
  ustar: 'ustar\0',
  gnu: 'ustar ',
  star: 'tar\0',
} as const;

export const typeflag = {
  oldFile: 0,
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  character: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,

  gnuLongLink: 0x4b,
  gnuLongName: 0x4c,
  gnuSparse: 0x53,
  solarisPax: 0x58,
  paxGlobal: 0x67,
  pax: 0x78,
} as const;

/** Bytes from the end of `size` bytes of data to the next block. */
export function paddingLength(size: number): number {
  const rest = size % blockSize;
  return rest === 0 ? 0 : blockSize - rest;
}
