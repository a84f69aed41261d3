import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import { throwIfAborted } from '../host/index.ts';
import { readDeb } from './deb.ts';
import type { KernelDraft } from './draft.ts';
import type { InstallProgress } from './progress.ts';

const chunkBytes = 256 * 1024;
const mostDepth = 16;

export async function* readFileStream(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

/** `sha256:…` of a file. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const sum = createHash('sha256');
  for await (const chunk of readFileStream(path)) {
    throwIfAborted(signal);
    sum.update(chunk);
  }
  return `sha256:${sum.digest('hex')}`;
}

/** A Debian package. Returns its name. */
export async function takePackage(
  draft: KernelDraft,
  path: string,
  options: InstallProgress,
): Promise<string> {
  const total = statSync(path).size;
  let bytes = 0;
  let name = '';
  const source = async function* () {
    for await (const chunk of readFileStream(path)) {
      throwIfAborted(options.signal);
      bytes += chunk.length;
      options.onProgress?.({ step: 'unpack', what: basename(path), bytes, total });
      yield chunk;
    }
  };
  const entries = readDeb(source(), control => {
    name = control.package;
  });
  for await (const entry of entries) {
    if (entry.type === 'file') await draft.take(entry.path.replace(/^(\.?\/)+/, ''), () => entry.body());
  }
  return name;
}

/** A directory in which a package was unpacked, or the root of a system with one kernel. */
export async function takeDirectory(draft: KernelDraft, root: string): Promise<void> {
  for (const part of ['boot', 'lib/modules', 'usr/lib/modules']) {
    // Of a system whose lib is a symlink, the modules come under its other name.
    if (part === 'lib/modules' && isSymlink(join(root, 'lib'))) continue;
    for (const path of walk(join(root, part), 0)) {
      await draft.take(`${part}/${path}`, () => readFileStream(join(root, part, path)));
    }
  }
}

/** A kernel's file, and the modules that belong to it. */
export async function takeFile(draft: KernelDraft, path: string, release: string): Promise<void> {
  await draft.takeImage(readFileStream(path));
  const config = findConfiguration(path, release);
  if (config !== undefined) await draft.takeConfig(release, readFileStream(config));
  const modules = findModules(path, release);
  if (modules === undefined) return;
  for (const below of walk(modules, 0)) {
    await draft.takeModule(release, below, () => readFileStream(join(modules, below)));
  }
}

/** How a kernel was configured, if that lies beside its file. */
export function findConfiguration(path: string, release: string): string | undefined {
  const config = join(dirname(resolve(path)), `config-${release}`);
  return isFile(config) ? config : undefined;
}

/** The directory of modules that belongs to a kernel's file; `undefined` if there is none. */
export function findModules(path: string, release: string): string | undefined {
  const places = [
    resolve(dirname(resolve(path)), '..', 'lib', 'modules', release),
    join('/lib/modules', release),
  ];
  return places.find(place => statSync(place, { throwIfNoEntry: false })?.isDirectory());
}

function* walk(directory: string, depth: number): Generator<string> {
  let entries: ReturnType<typeof readEntries>;
  try {
    entries = readEntries(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return;
    throw wrapErrno(error, `cannot read ${directory}`);
  }
  for (const entry of entries) {
    if (entry.isFile()) yield entry.name;
    else if (entry.isDirectory() && depth < mostDepth) {
      for (const below of walk(join(directory, entry.name), depth + 1)) yield `${entry.name}/${below}`;
    }
  }
}

function readEntries(directory: string) {
  return readdirSync(directory, { withFileTypes: true });
}

function isSymlink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
