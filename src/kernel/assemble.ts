import { createHash, hash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { createAtomicFile, withTemporaryName } from '../host/index.ts';
import {
  compressInitramfs,
  fileTypes,
  type InitramfsCompression,
  type InitramfsEntry,
  padInitramfs,
  writeInitramfs,
} from '../initramfs/index.ts';
import { type Digest, digestHex, parseDigest } from '../oci/index.ts';
import { byteString } from '../tree/index.ts';
import { KernelError } from './error.ts';
import type { Kernel } from './kernel.ts';
import { stripModule } from './strip.ts';

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

/** Directories that init mounts on. */
const directories = ['dev', 'lower', 'm', 'proc', 'root', 'rw', 'sys'];
const keptAtMost = 32;
/** Milliseconds for which one that was used is never removed. */
const grace = 60 * 60 * 1000;

/**
 * The first root of a zone: init, the modules that it loads, in that order, and what it mounts on. It is made once for the same
 * kernel, init and modules, and then found again without any of them being read but init.
 */
export async function assembleInitramfs(options: AssembleOptions): Promise<AssembledInitramfs> {
  const directory = join(resolve(options.root), 'initramfs');
  try {
    const init = readFileSync(options.init);
    const key = keyOf(options, hash('sha256', init));
    return findKnown(directory, key) ?? (await make(directory, key, init, options));
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

async function make(
  directory: string,
  key: string,
  init: Uint8Array,
  options: AssembleOptions,
): Promise<AssembledInitramfs> {
  const archive = writeInitramfs(entriesOf(init, options));
  const { compression = 'none' } = options;
  const bytes = compression === 'none' ? archive : padInitramfs(compressInitramfs(archive, compression));
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  const path = join(directory, digestHex(digest));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  removeOld(directory);
  await using file = await createAtomicFile(path, { exists: 'replace' });
  file.append(bytes);
  await file.commit();
  withTemporaryName(join(directory, 'key'), '.tmp', temporary => {
    symlinkSync(digestHex(digest), temporary);
    renameSync(temporary, join(directory, `key-${key}`));
  });
  return { path, digest };
}

function entriesOf(init: Uint8Array, { kernel, modules }: AssembleOptions): InitramfsEntry[] {
  const found = kernel.modules.resolve(modules);
  for (const { name } of found) {
    if (!/^[A-Za-z0-9_]{1,64}$/.test(name))
      throw new KernelError('corrupt', `${JSON.stringify(name)} is no module`);
  }
  const paths = found.map(({ name }) => `m/${name}.ko`);
  const file = (path: string, permissions: number, content: Uint8Array): InitramfsEntry => ({
    path: byteString(path),
    mode: fileTypes.file + permissions,
    content,
  });
  return [
    ...directories.map(path => ({ path, mode: fileTypes.directory + 0o755 })),
    { path: 'dev/console', mode: 0o020600, device: { major: 5, minor: 1 } },
    file('init', 0o755, init),
    file('modules', 0o644, Buffer.from(paths.map(path => `/${path}\n`).join(''))),
    ...found.map(({ bytes }, index) => {
      return file(paths[index]!, 0o644, kernel.modules.signed ? bytes : stripModule(bytes));
    }),
  ];
}

/** Each takes a megabyte, and each new version of a kernel or of init makes new ones. */
function removeOld(directory: string): void {
  const now = Date.now();
  const names = readdirSync(directory);
  const isKey = (name: string) => name.startsWith('key-');
  const files = names
    .filter(name => !isKey(name))
    .map(name => ({
      name,
      used: lstatSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? now,
    }))
    .sort((one, other) => other.used - one.used);
  // What begins with a dot was left by a process that was killed.
  const old = files.filter(({ name, used }, index) => {
    return now - used > grace && (index >= keptAtMost || name.startsWith('.'));
  });
  for (const { name } of old) rmSync(join(directory, name), { force: true });
  const gone = new Set(old.map(({ name }) => name));
  if (gone.size === 0) return;
  for (const key of names.filter(isKey)) {
    if (gone.has(readlinkSync(join(directory, key)))) rmSync(join(directory, key), { force: true });
  }
}
