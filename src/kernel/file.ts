import { hash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { wrapErrno } from '../error/index.ts';
import { createAtomicFile, replaceFile } from '../host/index.ts';
import { type Digest, digestHex, parseDigest } from '../oci/index.ts';
import { wantsSignatures } from './configuration.ts';
import { extractImage, type ImageKind, imageKind, imageRelease, inspectVmlinux } from './image.ts';
import type { Kernel, KernelModules } from './kernel.ts';
import { ModuleTree, NoModules } from './modules.ts';
import { ensureDirectory, type KernelPlace } from './place.ts';
import { findConfiguration, findModules, hashFile, readFileStream } from './source.ts';

/** What is remembered of a file, so that it is read once only. */
export interface FileFacts {
  /** Of the file as it was then: device, inode, size, times. */
  readonly stamp: string;
  readonly digest: Digest;
  readonly release: string;
  readonly kind: ImageKind | 'program';
  readonly pvh: boolean;
  /** Modules without a signature may be refused. */
  readonly signed: boolean;
}

/**
 * A kernel that is a file of the user's. What is found out about it is remembered in the cache, and the kernel that is in a
 * bzImage is kept there. Its modules are those beside it, or the system's; if there are none, it has to do without.
 */
export async function openKernelFile(place: KernelPlace, path: string): Promise<Kernel> {
  try {
    const facts = await recall(place, path, () => examine(path));
    const vmlinux = facts.kind === 'vmlinux' ? realpathSync(path) : extractedPath(place, facts.digest);
    const pvh = facts.kind === 'vmlinux' ? facts.pvh : (await extractOnce(place, path, vmlinux)).pvh;
    return {
      name: path,
      release: facts.release,
      digest: facts.digest,
      vmlinux,
      bzImage: facts.kind === 'bzImage' ? realpathSync(path) : undefined,
      pvh,
      modules: openModules(path, facts, findModules(path, facts.release)),
    };
  } catch (error) {
    throw wrapErrno(error, `cannot read the kernel ${path}`);
  }
}

/** Modules that are somebody else's: what tells that they have changed is the time of their lists. */
export function openModules(
  kernel: string,
  { release, signed }: Pick<FileFacts, 'release' | 'signed'>,
  directory: string | undefined,
): KernelModules {
  if (directory === undefined) return new NoModules();
  const lists = ['.', 'modules.order', 'modules.builtin', 'modules.dep'].map(name =>
    stamp(join(directory, name)),
  );
  return new ModuleTree(directory, {
    kernel,
    identity: [directory, release, ...lists].join(' '),
    signed,
  });
}

/** What is known of the file; found out if it is not, or if the file is another one now. */
export async function recall(
  place: KernelPlace | undefined,
  path: string,
  examine: () => Promise<Omit<FileFacts, 'stamp'>>,
): Promise<FileFacts> {
  const now = stamp(path);
  if (now === undefined) statSync(path);
  const memory =
    place === undefined ? undefined : join(place.facts, `${hash('sha256', realpathSync(path))}.json`);
  const known = memory === undefined ? undefined : readFacts(memory);
  if (known?.stamp === now) return known!;
  const facts: FileFacts = { ...(await examine()), stamp: now! };
  if (memory !== undefined && stamp(path) === now) {
    place!.create();
    ensureDirectory(place!.facts);
    replaceFile(memory, Buffer.from(`${JSON.stringify(facts)}\n`));
  }
  return facts;
}

async function examine(path: string): Promise<Omit<FileFacts, 'stamp'>> {
  const kind = imageKind(path);
  const digest = parseDigest(await hashFile(path));
  const { release, pvh } =
    kind === 'vmlinux' ? inspectVmlinux(path) : { release: imageRelease(path), pvh: false };
  const config = findConfiguration(path, release);
  const signed = config === undefined || (await wantsSignatures(readFileStream(config)));
  return { kind, digest, release, pvh, signed };
}

function extractedPath(place: KernelPlace, digest: Digest): string {
  return join(place.extracted, digestHex(digest));
}

/** Puts the kernel in a bzImage where the cache has it, if it is not there; whole and durable. */
async function extractOnce(place: KernelPlace, path: string, target: string) {
  if (statSync(target, { throwIfNoEntry: false }) === undefined) {
    place.create();
    ensureDirectory(place.extracted);
    await using file = await createAtomicFile(target, { exists: 'replace' });
    extractImage(path, file.fd, {});
    await file.commit();
  }
  return inspectVmlinux(target);
}

function readFacts(path: string): FileFacts | undefined {
  try {
    const facts = JSON.parse(readFileSync(path, 'utf8')) as FileFacts;
    parseDigest(facts.digest);
    return typeof facts.release === 'string' && typeof facts.kind === 'string' ? facts : undefined;
  } catch {
    // Not there, or damaged: it can be found out again.
    return undefined;
  }
}

function stamp(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join('.');
}
