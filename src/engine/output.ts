import { resolve, sep } from 'node:path';
import type { Writable } from 'node:stream';
import { isAvailable } from '../bytes/codec/availability.ts';
import { defaultLevel, levelRange } from '../bytes/codec/level.ts';
import { ShaleError } from '../error/index.ts';
import type { Target } from '../render/index.ts';
import { usualErofs } from './usual-erofs.ts';
import { usualSquashfs } from './usual-squashfs.ts';

export const outputFormats = ['squashfs', 'erofs', 'tar', 'directory'] as const;
export type OutputFormat = (typeof outputFormats)[number];
/** Of squashfs. */
export const compressions = ['zstd', 'gzip', 'xz', 'lz4', 'none'] as const;
export const erofsCompressions = ['zstd', 'deflate', 'lz4', 'none'] as const;
export type OutputCompression = (typeof compressions)[number] | (typeof erofsCompressions)[number];

/** One artifact to make. */
export interface OutputRequest {
  /** A path; `-` is `stdout`, a tar then. */
  readonly path: string;
  /** By the path if absent: `.sqfs`, `.squashfs`, `.erofs`, `.tar`, a trailing slash for a directory, `-` for a tar. */
  readonly format?: OutputFormat | undefined;
  /** Of squashfs, zstd if absent; of EROFS, none if absent. */
  readonly compression?: OutputCompression | undefined;
  /** Of the compression; 3 for zstd, 9 for gzip, 6 for deflate and xz if absent. */
  readonly level?: number | undefined;
  /** What is compressed at once, in bytes: a power of two, of squashfs from 4 KiB to 1 MiB, of EROFS from 8 KiB; 128 KiB if absent. */
  readonly blockSize?: number | undefined;
  /** Of squashfs: packs small files and ends of files into common blocks; true if absent. */
  readonly fragments?: boolean | undefined;
  /** Of squashfs: the superblock's time in seconds since 1970; SOURCE_DATE_EPOCH, or else the image's creation time. */
  readonly mtime?: number | undefined;
  /** Where `-` goes. */
  readonly stdout?: Writable | undefined;
}

const extensions: Readonly<Record<string, OutputFormat>> = {
  '.sqfs': 'squashfs',
  '.squashfs': 'squashfs',
  '.erofs': 'erofs',
  '.tar': 'tar',
  '/': 'directory',
};

/** The format that a path asks for by its end; `invalid` when it says nothing. */
export function formatOf(path: string): OutputFormat {
  if (path === '-') return 'tar';
  for (const [end, format] of Object.entries(extensions))
    if (path.endsWith(end) && path !== end) return format;
  if (/\.(cpio|ext4)$/.test(path)) {
    throw new ShaleError(
      'unsupported',
      `${path}: this version does not write ${path.slice(path.lastIndexOf('.') + 1)}`,
    );
  }
  throw new ShaleError('invalid', `${path}: the name does not say which format is meant`, {
    detail: { path },
    hint: 'end it in .sqfs, .erofs, .tar or / (a directory), or give --format squashfs|erofs|tar|directory',
  });
}

/**
 * Checks a request and fills in what it leaves out: the image's time, and what it is made of (a digest of its layers), which
 * matters to EROFS alone.
 */
export function resolveTarget(
  request: OutputRequest,
  modificationTime: number,
  identity: Uint8Array = new Uint8Array(0),
): Target {
  const { path, stdout } = request;
  const format = request.format ?? formatOf(path);
  if (format === 'erofs') return resolveErofs(request, identity);
  if (format !== 'squashfs') {
    refuse(format, request, squashfsOnly(request));
    if (path !== '-') return { format, path } as Target;
    if (format === 'directory' || stdout === undefined) {
      throw new ShaleError('invalid', `a ${format} cannot be written to standard output`, {
        hint: 'only a tar can: shale render SOURCE - --format tar',
      });
    }
    return { format, stream: stdout };
  }
  if (path === '-') throw noStream(format);
  const usual = usualSquashfs;
  const { blockSize = usual.blockSize, fragments = usual.fragments } = request;
  const compression = chooseCompression(format, request.compression ?? usual.compression, compressions);
  checkBlockSize(blockSize, 4096);
  const { mtime = modificationTime } = request;
  if (!Number.isInteger(mtime) || mtime < 0 || mtime > 0xffffffff) {
    throw new ShaleError('invalid', `--mtime ${mtime}: squashfs holds 0 to 4294967295 seconds after 1970`);
  }
  const level = chooseLevel(compression, request.level);
  return {
    format,
    path,
    compression,
    level,
    blockSize,
    fragments,
    modificationTime: mtime,
  };
}

function resolveErofs(request: OutputRequest, identity: Uint8Array): Target {
  const { path } = request;
  if (path === '-') throw noStream('erofs');
  const { fragments, mtime } = request;
  refuse('erofs', request, { fragments, mtime });
  const usual = usualErofs;
  const wish = request.compression ?? usual.compression;
  const compression = chooseCompression('erofs', wish, erofsCompressions);
  if (compression === 'none' && request.blockSize !== undefined) {
    throw new ShaleError('invalid', '--block-size means nothing to an erofs with --compression none', {
      hint: 'give --compression zstd, deflate or lz4 with it',
    });
  }
  const { blockSize = usual.blockSize } = request;
  // The blocks of the filesystem itself have 4 KiB: of one, nothing can be saved.
  checkBlockSize(blockSize, 8192);
  const level = chooseLevel(compression, request.level);
  return { format: 'erofs', path, compression, level, blockSize, identity };
}

function chooseCompression<C extends OutputCompression>(
  format: OutputFormat,
  wish: OutputCompression,
  choices: readonly C[],
): C {
  const found = choices.find(choice => choice === wish);
  if (found !== undefined) return found;
  const same = wish === 'gzip' ? 'deflate' : wish === 'deflate' ? 'gzip' : undefined;
  throw new ShaleError('invalid', `${format} has no compression ${wish}`, {
    detail: { format, compression: wish },
    hint:
      same === undefined
        ? `choose one of ${choices.join(', ')}`
        : `give ${same}, which compresses the same way`,
  });
}

function noStream(format: OutputFormat): ShaleError {
  const message = `a ${format} cannot be written to standard output: its first bytes are known last`;
  return new ShaleError('invalid', message, { hint: 'write it to a file, or a tar to standard output' });
}

/** Options that a format does not have must not be given. */
function refuse(format: OutputFormat, { path }: OutputRequest, options: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    throw new ShaleError('invalid', `${path}: ${name} is an option of squashfs, not of ${format}`);
  }
}

/** Fails before any work is done where the codec is not there or has no such level. */
function chooseLevel(compression: OutputCompression, level: number | undefined): number | undefined {
  if (compression === 'none') {
    if (level === undefined) return undefined;
    throw new ShaleError('invalid', '--level means nothing with --compression none');
  }
  const availability = isAvailable(compression);
  if (!availability.available) throw new ShaleError('unsupported', availability.reason);
  const { lowest, highest } = levelRange(compression);
  if (level === undefined || (Number.isInteger(level) && level >= lowest && level <= highest)) {
    return level ?? defaultLevel(compression);
  }
  throw new ShaleError('invalid', `${compression} has no level ${level}`, {
    detail: { compression, level, lowest, highest },
    hint: `give a level from ${lowest} to ${highest}`,
  });
}

function squashfsOnly(request: OutputRequest): Record<string, unknown> {
  const { compression, level, blockSize, fragments, mtime } = request;
  return { compression, level, 'block-size': blockSize, fragments, mtime };
}

function checkBlockSize(blockSize: number, least: number): void {
  if (Number.isInteger(Math.log2(blockSize)) && blockSize >= least && blockSize <= 1024 * 1024) return;
  throw new ShaleError(
    'invalid',
    `a block size of ${blockSize} bytes: it must be a power of two from ${least / 1024} KiB to 1 MiB`,
    {
      detail: { blockSize },
    },
  );
}

/** Two outputs at one place, or one inside a directory that is another, would end as nobody has asked for: `invalid`. */
export function checkApart(outputs: readonly OutputRequest[]): void {
  const places = outputs.map(({ path }) => (path === '-' ? path : resolve(path)));
  for (const [index, place] of places.entries()) {
    for (const [other, above] of places.entries()) {
      if (index === other || (place !== above && !place.startsWith(above + sep))) continue;
      const [one, two] = [outputs[other]!.path, outputs[index]!.path];
      throw new ShaleError('invalid', `the outputs ${one} and ${two} are in each other's way`, {
        detail: { outputs: [one, two] },
        hint: 'give each output a place of its own',
      });
    }
  }
}
