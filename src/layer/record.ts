/**
 * The record of one entry. All numbers are LEB128: seven bits a byte, least significant first, the eighth says that
 * more follow; up to 2^53-1, in at most eight bytes.
 *
 *     head      1 byte: kind in the low four bits, then the flags below
 *     shared    number: bytes of the path that are those of the previous record's path, `maximumShared` at most
 *     rest      number, then as many bytes: the rest of the path
 *     mode      number                              ┐
 *     uid, gid  numbers, unless `sameOwner`          │ not for hardlinks
 *     mtime     |seconds|, nanoseconds, unless       │ and whiteouts
 *               `sameTime`; `beforeEpoch` negates    │
 *     xattrs    number, if `hasXattrs`: of a set     │
 *               that came before, counted from 0;    │
 *               or the next, and then the set        ┘
 *     …         file: size; device: major, minor; symlink and hardlink: target, as number and bytes
 *
 * A set is a count of xattrs, each a name and a value as number and bytes. The first record's previous one has the empty
 * path, owner 0:0 and time 0.
 */
export const kinds = [
  'file',
  'directory',
  'symlink',
  'block',
  'character',
  'fifo',
  'hardlink',
  'whiteout',
  'opaque',
] as const;
export type Kind = (typeof kinds)[number];

export const kindMask = 0x0f;
export const sameOwner = 0x10;
export const sameTime = 0x20;
export const hasXattrs = 0x40;
export const beforeEpoch = 0x80;

/** Keeps a crafted stream from making long paths of few bytes. */
export const maximumShared = 4095;
