import { readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, wrapErrno } from '../error/index.ts';
import {
  exchangeNames,
  removeTree,
  replaceFile,
  syncDirectoryNow,
  withTemporaryName,
} from '../host/index.ts';
import { byteString } from '../tree/index.ts';
import { KernelError } from './error.ts';
import type { Kernel } from './kernel.ts';
import { ModuleTree } from './modules.ts';
import { isKernelName, KernelPlace, lockKernels } from './place.ts';
import { type KernelOrigin, type KernelRecord, readRecord } from './record.ts';

/** What is listed of a kernel in the cache. */
export interface KernelSummary {
  readonly name: string;
  readonly release: string;
  readonly digest: string;
  /** Bytes of all its files. */
  readonly size: number;
  readonly modules: number;
  readonly installed: Date;
  readonly source: KernelOrigin;
  /** Whether it is taken where none is named. */
  readonly isDefault: boolean;
}

/** All kernels in the cache, by name. A damaged one is left out. */
export async function listKernels(root: string): Promise<KernelSummary[]> {
  const place = new KernelPlace(root);
  const records = readRecords(place);
  const chosen = chooseDefault(place, records)?.name;
  return records.map(record => ({
    name: record.name,
    release: record.release,
    digest: record.digest,
    size: treeSize(place.kernel(record.name)),
    modules: record.moduleCount,
    installed: new Date(record.installed),
    source: record.source,
    isDefault: record.name === chosen,
  }));
}

/** Removes one from the cache. A zone that runs it has it in its memory already. KernelError `not-found`. */
export async function removeKernel(root: string, name: string): Promise<void> {
  const place = new KernelPlace(root);
  const path = place.kernel(name);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw noKernel(name);
  using _lock = await lockKernels(place, undefined);
  try {
    const away = withTemporaryName(path, '', temporary => {
      renameSync(path, temporary);
      return temporary;
    });
    syncDirectoryNow(place.directory);
    removeTree(away);
    if (readChosen(place) === name) rmSync(place.chosen, { force: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw noKernel(name);
    throw wrapErrno(error, `cannot remove the kernel ${name}`);
  }
}

/** Makes one the kernel that is taken where none is named. KernelError `not-found`. */
export async function setDefaultKernel(root: string, name: string): Promise<void> {
  const place = new KernelPlace(root);
  using _lock = await lockKernels(place, undefined);
  if (readRecord(place.kernel(name)) === undefined) throw noKernel(name);
  replaceFile(place.chosen, Buffer.from(`${name}\n`));
}

/** A kernel of the cache; the default one if none is named. `undefined` if it is not there. */
export function findKernel(place: KernelPlace, name: string | undefined): Kernel | undefined {
  if (name !== undefined) {
    const record = isKernelName(name) ? readRecord(place.kernel(name)) : undefined;
    return record === undefined ? undefined : openRecord(place, record);
  }
  const chosen = readChosen(place);
  const record = chosen === undefined ? undefined : readRecord(place.kernel(chosen));
  const found = record ?? chooseDefault(place, readRecords(place));
  return found === undefined ? undefined : openRecord(place, found);
}

function openRecord(place: KernelPlace, record: KernelRecord): Kernel {
  const directory = place.kernel(record.name);
  const file = (name: 'vmlinux' | 'bzImage') => {
    if (record[name] === undefined) return undefined;
    const path = join(directory, name);
    if (statSync(path, { throwIfNoEntry: false })?.size === record[name]) return path;
    throw new KernelError('corrupt', `the kernel ${record.name} in the cache is damaged: ${path}`, {
      hint: 'remove it and install it again: shale zone kernel rm, shale zone kernel install',
    });
  };
  return {
    name: record.name,
    release: record.release,
    digest: record.digest,
    vmlinux: file('vmlinux'),
    bzImage: file('bzImage'),
    pvh: record.pvh,
    modules: new ModuleTree(join(directory, 'modules'), {
      kernel: record.name,
      identity: record.modules,
      signed: record.signed,
    }),
  };
}

/** The one that was chosen, else the one that was installed last. */
function chooseDefault(place: KernelPlace, records: readonly KernelRecord[]): KernelRecord | undefined {
  const chosen = readChosen(place);
  const newest = [...records].sort((one, other) => other.installed - one.installed)[0];
  return records.find(({ name }) => name === chosen) ?? newest;
}

function readChosen(place: KernelPlace): string | undefined {
  try {
    const name = readFileSync(place.chosen, 'utf8').trim();
    return isKernelName(name) ? name : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw wrapErrno(error, `cannot read ${place.chosen}`);
  }
}

function readRecords(place: KernelPlace): KernelRecord[] {
  const records: KernelRecord[] = [];
  for (const name of listDirectory(place.directory)) {
    if (!isKernelName(name)) continue;
    try {
      const record = readRecord(place.kernel(name));
      if (record?.name === name) records.push(record);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }
  return records;
}

/** The name of the kernel that came from the package or image of this digest. */
export function findOrigin(place: KernelPlace, digest: string): string | undefined {
  return readRecords(place).find(({ source }) => source.digest === digest)?.name;
}

/** Puts a finished directory in its place, in that of an older one if need be. The lock is held. */
export function placeKernel(place: KernelPlace, draft: string, name: string): void {
  const target = place.kernel(name);
  if (statSync(target, { throwIfNoEntry: false }) === undefined) renameSync(draft, target);
  else if (exchangeNames(byteString(draft), byteString(target))) removeTree(draft);
  else {
    removeTree(target);
    renameSync(draft, target);
  }
  syncDirectoryNow(place.directory);
}

/** Takes away what installations and removals that were killed have left. The lock is held. */
export function removeLitter(place: KernelPlace): void {
  for (const name of listDirectory(place.directory)) {
    if (/^\..*\.shale-[a-z0-9]{6}$/.test(name)) removeTree(join(place.directory, name));
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw wrapErrno(error, `cannot read ${path}`);
  }
}

function treeSize(directory: string): number {
  let size = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile())
      size += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return size;
}

export function noKernel(name: string | undefined): KernelError {
  const what = name === undefined ? 'there is no kernel in the cache' : `there is no kernel ${name}`;
  return new KernelError('not-found', what, {
    detail: { kernel: name },
    hint: 'install one with: shale zone kernel install',
  });
}
