import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { formatOf, type OutputFormat, type OutputRequest } from '../output.ts';
import { refuseSealed } from './seal.ts';

/** Where a hash tree goes: behind the data, in the same file; or into a file beside it, FILE.verity. */
export const hashTreePlaces = ['append', 'beside', 'none'] as const;
export type HashTreePlace = (typeof hashTreePlaces)[number];

export interface IntegrityRequest {
  /** The dm-verity hash tree of each squashfs and EROFS; `none` if absent. It has no salt. */
  readonly hashTree?: HashTreePlace | undefined;
  /** Enables fs-verity for each file, and sets its immutable flag; where that is not possible is a warning. */
  readonly seal?: boolean | undefined;
}

export function wantsIntegrity({ hashTree = 'none', seal = false }: IntegrityRequest): boolean {
  return hashTree !== 'none' || seal;
}

/** What the name of a tree ends in, behind the name of its file. */
export const treeSuffix = '.verity';

/** Whether a file of this format is a filesystem for a block device, in whole blocks of 4096 bytes. */
export function isImage(format: OutputFormat): boolean {
  return format === 'squashfs' || format === 'erofs';
}

/** Finds what cannot be done, before any work is done: `invalid`. */
export function checkIntegrity(
  outputs: readonly OutputRequest[],
  { hashTree = 'none', seal }: IntegrityRequest,
): void {
  const formats = outputs.map(({ path, format }) => format ?? formatOf(path));
  for (const [index, { path }] of outputs.entries()) {
    if (path === '-' || formats[index] === 'directory') continue;
    refuseSealed(path);
    if (hashTree === 'beside' && isImage(formats[index]!)) checkTreePlace(path + treeSuffix);
  }
  if (hashTree !== 'none' && !formats.some(isImage)) {
    throw new ShaleError('invalid', 'a hash tree is of a squashfs or an EROFS, and none is asked for', {
      hint: 'leave --hash-tree out, or render to a .sqfs or an .erofs',
    });
  }
  if (hashTree === 'beside') {
    const places = new Set(outputs.map(({ path }) => resolve(path)));
    const taken = outputs.find(
      ({ path }, index) => isImage(formats[index]!) && places.has(resolve(path) + treeSuffix),
    );
    if (taken !== undefined) {
      throw new ShaleError('invalid', `an output stands where the hash tree of ${taken.path} belongs`, {
        detail: { path: taken.path + treeSuffix },
        hint: 'name it otherwise, or give --hash-tree append',
      });
    }
  }
  if (!seal) return;
  const other = outputs.find(({ path }, index) => path === '-' || formats[index] === 'directory');
  if (other === undefined) return;
  const what = other.path === '-' ? 'standard output' : `${other.path}, a directory,`;
  throw new ShaleError('invalid', `${what} cannot be sealed: only files are`, {
    detail: { path: other.path },
    hint: 'leave --seal out, or render it by itself',
  });
}

/** A tree replaces a tree, and no more than that. */
function checkTreePlace(place: string): void {
  refuseSealed(place);
  const stats = lstatSync(place, { throwIfNoEntry: false });
  if (stats === undefined || stats.isFile() || stats.isSymbolicLink()) return;
  throw new ShaleError('invalid', `${place} is not a regular file, and is not replaced by a hash tree`, {
    detail: { path: place },
    hint: 'give --hash-tree append, or another name',
  });
}
