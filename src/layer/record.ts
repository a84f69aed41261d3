import type { TarData } from '../tar/index.ts';

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
 *     …         file: size, place; device: major, minor; symlink and hardlink: target, as number and bytes
 *
 * A place says where the file's data is in the tar: 0 if that is not known, otherwise 1, plus 1 for a sparse file, plus
 * twice the blocks of `blockBytes` between the end of the data of the file before, or the tar's start, and its own. For a
 * sparse file the count of segments follows, and for each the bytes between it and the one before (or the file's start),
 * and its length.
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

/** The blocks that tar consists of: data begins with one. In bytes. */
export const blockBytes = 512;

/** Bytes that the tar has of a file. */
export function storedBytes(size: number, segments: TarData['segments']): number {
  return segments === undefined ? size : segments.reduce((total, { length }) => total + length, 0);
}
