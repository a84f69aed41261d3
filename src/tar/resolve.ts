import type { ByteString, Timestamp } from '../tree/index.ts';
import type { TarEntry, TarType } from './entry.ts';
import { TarError } from './error.ts';
import type { Extensions } from './extension.ts';
import { mergeXattrs, override } from './global.ts';
import { dialectOf, readPath, readText } from './header.ts';
import { type Field, gnu, header, typeflag } from './layout.ts';
import { readNumber, readUnsigned } from './number.ts';
import { isSparse, realSizeOf, type SparseKind, sparseKind } from './sparse.ts';

const mostId = 0xffffffff;

/** An entry with what the parser must know to get at its content. */
export interface Resolved {
  readonly entry: TarEntry;
  /** Bytes of data in the archive. */
  readonly stored: number;
  /** Where its map of holes is; `undefined` for all that is not sparse. */
  readonly sparse: SparseKind | 'gnu' | undefined;
}

/** The path first and alone, so that every later error can name it. */
export function resolvePath(block: Buffer, base: number, extensions: Extensions): ByteString {
  const { own, inherited, longName } = extensions;
  return (
    own.sparse?.name ??
    override(own.path, inherited.path) ??
    longName ??
    readPath(block, base, dialectOf(block, base))
  );
}

/** Makes one entry of a header and of all that extends it: a pax record beats GNU's long name, that beats the header. */
export function resolveEntry(
  block: Buffer,
  base: number,
  path: ByteString,
  extensions: Extensions,
): Resolved {
  const { own, inherited, longLink } = extensions;
  const flag = block[base + header.typeflag.at]!;
  const type = typeOf(flag, path);
  const isLink = type === 'hardlink' || type === 'symlink';
  const isDevice = type === 'character' || type === 'block';
  const stored = hasData(flag, type)
    ? (override(own.size, inherited.size) ?? readUnsigned(block, base, header.size, 'size'))
    : 0;
  const sparse = type === 'file' ? sparseOf(block, base, flag, extensions) : undefined;
  let size = type === 'file' ? stored : 0;
  if (sparse === 'gnu') size = readUnsigned(block, base, gnu.realSize, 'real size');
  else if (sparse !== undefined) size = realSizeOf(own.sparse!);
  const entry: TarEntry = {
    type,
    path,
    linkpath: isLink
      ? (override(own.linkpath, inherited.linkpath) ?? longLink ?? readText(block, base, header.linkname))
      : '',
    size,
    mode: readUnsigned(block, base, header.mode, 'mode') % 0o10000,
    uid: id(override(own.uid, inherited.uid), block, base, header.uid, 'uid'),
    gid: id(override(own.gid, inherited.gid), block, base, header.gid, 'gid'),
    mtime: override(own.mtime, inherited.mtime) ?? time(block, base),
    major: isDevice
      ? id(override(own.major, inherited.major), block, base, header.devmajor, 'device number')
      : 0,
    minor: isDevice
      ? id(override(own.minor, inherited.minor), block, base, header.devminor, 'device number')
      : 0,
    xattrs: mergeXattrs(own, inherited),
  };
  return { entry, stored, sparse };
}

function typeOf(flag: number, path: ByteString): TarType {
  switch (flag) {
    case typeflag.oldFile:
    case typeflag.file:
    case typeflag.contiguous:
      // V7 had no directories but by their names.
      return path.endsWith('/') ? 'directory' : 'file';
    case typeflag.gnuSparse:
      return 'file';
    case typeflag.hardlink:
      return 'hardlink';
    case typeflag.symlink:
      return 'symlink';
    case typeflag.character:
      return 'character';
    case typeflag.block:
      return 'block';
    case typeflag.directory:
      return 'directory';
    case typeflag.fifo:
      return 'fifo';
  }
  const shown = flag >= 0x21 && flag <= 0x7e ? `'${String.fromCharCode(flag)}'` : `${flag}`;
  throw new TarError('invalid', `unknown type flag ${shown}`, { detail: { typeflag: flag } });
}

/**
 * Whether data follows the header. The size of anything else is ignored: for a link, a directory or a device it says
 * something else, or nothing. A directory that only its path shows to be one has no data as V7 wrote it, but every
 * reader passes over the data of type `0`, and so must we to see the same entries behind it.
 */
function hasData(flag: number, type: TarType): boolean {
  if (type === 'file') return true;
  return type === 'directory' && (flag === typeflag.file || flag === typeflag.contiguous);
}

function sparseOf(block: Buffer, base: number, flag: number, extensions: Extensions): Resolved['sparse'] {
  const records = extensions.own.sparse;
  const inRecords = records !== undefined && isSparse(records);
  if (flag !== typeflag.gnuSparse) return inRecords ? sparseKind(records) : undefined;
  if (dialectOf(block, base) !== 'gnu') {
    throw new TarError('invalid', "type flag 'S' in a header that is not GNU's", {
      detail: { typeflag: flag },
    });
  }
  if (inRecords)
    throw new TarError('corrupt', 'a sparse file with two maps, one in its header, one in pax records');
  return 'gnu';
}

function id(record: number | undefined, block: Buffer, base: number, field: Field, name: string): number {
  const value = record ?? readUnsigned(block, base, field, name);
  if (value > mostId) throw new TarError('invalid', `the ${name} ${value} has more than 32 bits`);
  return value;
}

function time(block: Buffer, base: number): Timestamp {
  return { seconds: readNumber(block, base, header.mtime, 'mtime'), nanoseconds: 0 };
}
