import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createAtomicFile, withTemporaryName } from '../host/index.ts';
import {
  compressInitramfs,
  fileTypes,
  type InitramfsEntry,
  padInitramfs,
  writeInitramfs,
} from '../initramfs/index.ts';
import { digestHex, parseDigest } from '../oci/index.ts';
import { byteString } from '../tree/index.ts';
import type { AssembledInitramfs, AssembleOptions } from './assemble.ts';
import { KernelError } from './error.ts';
import { stripModule } from './strip.ts';

/** Directories that init mounts on. */
const directories = ['dev', 'lower', 'm', 'proc', 'root', 'rw', 'sys'];
const keptAtMost = 32;
/** Milliseconds for which one that was used is never removed. */
const grace = 60 * 60 * 1000;

/** Makes it and puts it into the directory, where its key finds it. */
export async function makeInitramfs(
  directory: string,
  key: string,
  init: Uint8Array,
  options: AssembleOptions,
): Promise<AssembledInitramfs> {
  const archive = writeInitramfs(await entriesOf(init, options));
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

async function entriesOf(init: Uint8Array, { kernel, modules }: AssembleOptions): Promise<InitramfsEntry[]> {
  const found = await kernel.modules.resolve(modules);
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
