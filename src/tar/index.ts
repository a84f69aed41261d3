/**
 * Tar archives: reading all that is found in image layers, writing one canonical form.
 *
 * One entry is one value. Tar has grown by putting more headers before the one that everybody knows: pax records, GNU's
 * long names, maps of sparse files. Whoever deals with these one by one sooner or later believes the wrong size, and then
 * sees entries that are really a file's content. Here a `TarEntry` is the whole, with every question of precedence
 * settled (resolve.ts) before anyone sees it or a byte is counted.
 *
 * `TarParser` is the machine: chunks of any size go in, calls of a `TarHandler` come out, synchronously; headers are read
 * and data is handed on without copying wherever a chunk holds them whole. `openTar` makes a cursor of it for whoever
 * prefers to pull. On the way out there are no objects at all: `formatHeader`, the content, `padding`, and at
 * last `endOfArchive`.
 *
 * Text is bytes throughout (ByteString): a path is what the kernel would be given, not what a locale makes of it.
 *
 *     layout      where the fields are              number, checksum, decimal, record    how values are spelled
 *     header      V7, ustar or GNU                  pax, global, sparse-record, xattr    what the records say
 *     extension   what awaits its entry             sparse, sparse-map, expansion        maps of holes
 *     resolve     all of that becomes one entry     parser, reader, writer, split        in and out
 *
 * The format is described in doc/format/tar.md.
 */
export type { TarData, TarEntry, TarHandler, TarLimits, TarType } from './entry.ts';
export { TarError } from './error.ts';
export { defaultTarLimits, type TarEnd, TarParser } from './parser.ts';
export { openTar, TarReader } from './reader.ts';
export type { SparseSegment } from './sparse.ts';
export { endOfArchive, formatHeader, padding } from './writer.ts';
