import { resolve, sep } from 'node:path';
import type { Writable } from 'node:stream';
import { isAvailable } from '../bytes/codec/availability.ts';
import { defaultLevel, levelRange } from '../bytes/codec/level.ts';
import { ShaleError } from '../error/index.ts';
import type { Target } from '../render/index.ts';
import { usualSquashfs } from './usual-squashfs.ts';

export const outputFormats = ['squashfs', 'tar', 'directory'] as const;
export type OutputFormat = (typeof outputFormats)[number];
export const compressions = ['zstd', 'gzip', 'xz', 'lz4', 'none'] as const;
export type OutputCompression = (typeof compressions)[number];

/** One artifact to make. */
export interface OutputRequest {
  /** A path; `-` is `stdout`, a tar then. */
  readonly path: string;
  /** By the path if absent: `.sqfs`, `.squashfs`, `.tar`, a trailing slash for a directory, `-` for a tar. */
  readonly format?: OutputFormat | undefined;
  /** Of squashfs; zstd if absent. */
  readonly compression?: OutputCompression | undefined;
  /** Of the compression; 3 for zstd, 9 for gzip, 6 for xz if absent. */
  readonly level?: number | undefined;
  /** Of squashfs, in bytes: a power of two from 4 KiB to 1 MiB; 128 KiB if absent. */
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
  '.tar': 'tar',
  '/': 'directory',
};

/** The format that a path asks for by its end; `invalid` when it says nothing. */
export function formatOf(path: string): OutputFormat {
  if (path === '-') return 'tar';
  for (const [end, format] of Object.entries(extensions))
    if (path.endsWith(end) && path !== end) return format;
  if (/\.(erofs|cpio|ext4)$/.test(path)) {
    throw new ShaleError(
      'unsupported',
      `${path}: this version does not write ${path.slice(path.lastIndexOf('.') + 1)}`,
    );
  }
  throw new ShaleError('invalid', `${path}: the name does not say which format is meant`, {
    detail: { path },
    hint: 'end it in .sqfs, .tar or / (a directory), or give --format squashfs|tar|directory',
  });
}

/** Checks a request and fills in what it leaves out. */
export function resolveTarget(request: OutputRequest, modificationTime: number): Target {
  const { path, stdout } = request;
  const format = request.format ?? formatOf(path);
  if (format !== 'squashfs') {
    for (const [name, value] of Object.entries({ ...squashfsOnly(request) })) {
      if (value === undefined) continue;
      throw new ShaleError('invalid', `${path}: ${name} is an option of squashfs, not of ${format}`);
    }
    if (path !== '-') return { format, path } as Target;
    if (format === 'directory' || stdout === undefined) {
      throw new ShaleError('invalid', `a ${format} cannot be written to standard output`, {
        hint: 'only a tar can: shale render SOURCE - --format tar',
      });
    }
    return { format, stream: stdout };
  }
  if (path === '-') {
    throw new ShaleError(
      'invalid',
      'a squashfs cannot be written to standard output: its first bytes are known last',
      {
        hint: 'write it to a file, or a tar to standard output',
      },
    );
  }
  const usual = usualSquashfs;
  const {
    compression = usual.compression,
    blockSize = usual.blockSize,
    fragments = usual.fragments,
  } = request;
  checkBlockSize(blockSize);
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

function checkBlockSize(blockSize: number): void {
  if (Number.isInteger(Math.log2(blockSize)) && blockSize >= 4096 && blockSize <= 1024 * 1024) return;
  throw new ShaleError(
    'invalid',
    `a block size of ${blockSize} bytes: it must be a power of two from 4 KiB to 1 MiB`,
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
