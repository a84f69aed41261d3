import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Warnings, wrapErrno } from '../../error/index.ts';
import type { ExistingLock } from '../../host/index.ts';
import type { SquashfsCompression } from '../../squashfs/index.ts';
import { renderDirectory } from './directory-image.ts';
import { DiskError } from './error.ts';
import { lockDisk } from './lock.ts';
import { type FilesystemType, recogniseDisk } from './recognise.ts';
import type { Volume } from './volume.ts';
import type { Volumes } from './volumes.ts';

/** A volume as a zone gets it: a disk, and how the guest is to mount it. Disposing it gives the disk back. */
export interface AttachedVolume extends Disposable {
  readonly path: string;
  readonly type: FilesystemType;
  readonly readOnly: boolean;
  readonly target: string;
  /** Undefined of an image that was made for this zone alone. */
  readonly lock: ExistingLock | undefined;
}

export interface AttachOptions {
  readonly volumes: Volumes;
  /** The zone's own directory: the image of a host directory is made in it, and goes with it. */
  readonly directory: string;
  /** How that image is called; no two of a zone alike. */
  readonly name: string;
  /** Of a named volume that is made now. */
  readonly bytes?: number | undefined;
  readonly compression?: SquashfsCompression | undefined;
  readonly warnings?: Warnings | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a volume ready for a zone: one of the cache is made if it is not there, a file is recognised, a directory
 * becomes a read-only image. A disk that may be written to is locked for this zone alone, one that is only read is
 * shared by all who read it. DiskError.
 */
export async function attachVolume(volume: Volume, options: AttachOptions): Promise<AttachedVolume> {
  const { source, target, mustWrite } = volume;
  const { volumes, bytes, signal } = options;
  if (source.kind === 'path' && isDirectory(source.path)) {
    if (mustWrite) throw readOnlyOnly(source.path, 'a directory of the host');
    return await attachDirectory(source.path, target, options);
  }
  // One name for one file: whoever looks for its users compares names.
  const path =
    source.kind === 'path' ? realpathSync(source.path) : await volumes.ensure(source.name, { bytes, signal });
  const { type, readOnly: fixed } = recogniseDisk(path);
  if (fixed && mustWrite) throw readOnlyOnly(path, type);
  const readOnly = volume.readOnly || fixed;
  const mode = readOnly ? 'shared' : 'exclusive';
  const lock = await (source.kind === 'path'
    ? lockDisk(path, mode, { signal })
    : volumes.lock(path, mode, { signal }));
  try {
    // Whoever wrote to it before us may have left it so.
    if (readOnly && recogniseDisk(path).dirty) throw dirty(path);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
  return { path, type, readOnly, target, lock, [Symbol.dispose]: () => lock[Symbol.dispose]() };
}

async function attachDirectory(
  directory: string,
  target: string,
  { name, directory: own, compression, warnings, signal }: AttachOptions,
): Promise<AttachedVolume> {
  const path = join(own, `${name}.sqfs`);
  await renderDirectory(directory, path, { compression, warnings, signal });
  return { path, type: 'squashfs', readOnly: true, target, lock: undefined, [Symbol.dispose]() {} };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw wrapErrno(error, `cannot use ${path} as a volume`);
  }
}

function dirty(path: string): DiskError {
  return new DiskError('invalid', `${path} was not unmounted, and cannot be read as it is`, {
    detail: { path },
    hint: 'use it once without :ro, which mends it, or run e2fsck on it',
  });
}

function readOnlyOnly(path: string, what: string): DiskError {
  return new DiskError('unsupported', `${path} cannot be written to by a zone: it is ${what}`, {
    detail: { path },
    hint: 'leave :rw out, or copy it into a volume: a name or an ext4 image',
  });
}
