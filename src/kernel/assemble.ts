import { hash } from 'node:crypto';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import type { InitramfsCompression } from '../initramfs/index.ts';
import { type Digest, parseDigest } from '../oci/index.ts';
import type { Kernel } from './kernel.ts';

export interface AssembleOptions {
  /** The cache's. */
  readonly root: string;
  readonly kernel: Kernel;
  /** Path of the init program, which must need no libraries. */
  readonly init: string;
  /** Kernel modules that it is to load, by name; what they need comes by itself. */
  readonly modules: readonly string[];
  /** `none` if not given: it boots fastest (doc/decision/0016-kernels.md). */
  readonly compression?: InitramfsCompression | undefined;
}

export interface AssembledInitramfs {
  readonly path: string;
  /** Of the file. */
  readonly digest: Digest;
}

/** To be raised when the same options make something else than before. */
const version = 2;

/**
 * The first root of a zone: init, the modules that it loads, in that order, and what it mounts on. It is made once for the same
 * kernel, init and modules, and then found again without any of them being read but init.
 */
export async function assembleInitramfs(options: AssembleOptions): Promise<AssembledInitramfs> {
  const directory = join(resolve(options.root), 'initramfs');
  try {
    const init = readFileSync(options.init);
    const key = keyOf(options, hash('sha256', init));
    const known = findKnown(directory, key);
    if (known !== undefined) return known;
    const { makeInitramfs } = await import('./make-initramfs.ts');
    return await makeInitramfs(directory, key, init, options);
  } catch (error) {
    throw wrapErrno(error, `cannot make the initramfs for ${options.kernel.name}`);
  }
}

function keyOf({ kernel, modules, compression }: AssembleOptions, init: string): string {
  const { identity, signed } = kernel.modules;
  return hash(
    'sha256',
    JSON.stringify([version, kernel.digest, identity, signed, init, compression, ...modules]),
  );
}

/** A key is a symlink, `key-KEY`, to the file, whose name is its digest. */
function findKnown(directory: string, key: string): AssembledInitramfs | undefined {
  try {
    const name = readlinkSync(join(directory, `key-${key}`));
    const digest = parseDigest(`sha256:${name}`);
    const path = join(directory, name);
    return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0 ? { path, digest } : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
