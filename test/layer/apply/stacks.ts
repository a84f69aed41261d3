/** Generated stacks as archives that a real filesystem can hold, and what applying them leaves on disk. */
import { mkdirSync, readdirSync } from 'node:fs';
import { ShaleError, Warnings } from '../../../src/error/index.ts';
import { type ApplyOptions, applyLayer, type WhiteoutForm } from '../../../src/layer/index.ts';
import { endBlocks, writeRecord } from '../../engine/tar.ts';
import { listDirectory } from '../../model/disk.ts';
import type { Listing } from '../../model/listing.ts';
import { createRandom } from '../../model/random.ts';
import type { LayerRecord } from '../../model/record.ts';
import { createTameStack } from '../../model/tame.ts';
import { createWildStack } from '../../model/wild.ts';

/** The same records without what Linux keeps on no file: a symlink's mode, `user.*` on a device, (uid_t) -1. */
export function makeHoldable(records: readonly LayerRecord[]): LayerRecord[] {
  return records.map(record => {
    const { type, content, uid } = record;
    const holdsUser = type === 'file' || type === 'directory';
    const xattrs = [...record.xattrs].filter(
      ([name]) => !name.startsWith('security.') && (holdsUser || name.startsWith('trusted.')),
    );
    return {
      ...record,
      xattrs: new Map(xattrs),
      uid: uid === 0xffffffff ? 70_001 : uid,
      ...(type === 'symlink' && { mode: 0o777 }),
      ...(type === 'file' && { size: content.length }),
    };
  });
}

/** A plain header ends a name at its NUL, and calls a directory what ends with a slash. */
export function canBeSpelled({ type, path, linkpath }: LayerRecord): boolean {
  return !`${path}${linkpath}`.includes('\0') && (type === 'directory' || !/(^|\/)\.?$/.test(path));
}

export function archiveOf(records: readonly LayerRecord[]): Buffer {
  return Buffer.concat([
    ...records.map(record => writeRecord(record, Buffer.from(record.content, 'latin1'))),
    endBlocks,
  ]);
}

/** In pieces that end anywhere. */
export async function* piecesOf(archive: Buffer, size = 3000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

export async function applyRecords(
  records: readonly LayerRecord[],
  path: string,
  form: WhiteoutForm,
  options: ApplyOptions = {},
): Promise<void> {
  await applyLayer(piecesOf(archiveOf(records)), { path, form }, options);
}

/** All layers onto one new directory; `rejected` where the contract says so. */
export async function applyPlain(
  stack: readonly (readonly LayerRecord[])[],
  path: string,
  created: { seconds: number; nanoseconds: number },
  warnings = new Warnings(),
): Promise<Listing | 'rejected'> {
  mkdirSync(path);
  try {
    for (const [layer, records] of stack.entries()) {
      const below = layer === 0 ? 'nothing' : 'unknown';
      await applyRecords(records, path, 'plain', { below, created, layer, warnings });
    }
  } catch (error) {
    if (error instanceof ShaleError && error.code === 'invalid') return 'rejected';
    throw error;
  }
  const left = readdirSync(path).filter(name => name.startsWith('.shale'));
  if (left.length > 0) throw new Error(`left behind: ${left}`);
  return listDirectory(path, bytes => bytes.toString('latin1'));
}

/**
 * `user`: without what only root may make, devices and `trusted.*`. `fuse`: no symlink leads to itself, for fuse-overlayfs (1.10) cannot
 * list a directory in which one is hidden by a directory.
 */
export type StackKind = 'tame' | 'wild' | 'tame-user' | 'wild-user' | 'tame-fuse' | 'tame-user-fuse';

export function createStack(kind: StackKind, seed: number): LayerRecord[][] {
  const random = createRandom(seed);
  let stack = (kind.startsWith('tame') ? createTameStack(random) : createWildStack(random)).map(makeHoldable);
  if (kind.includes('user')) stack = stack.map(records => records.map(withoutPrivilege));
  if (kind.includes('fuse')) stack = stack.map(records => records.map(withoutLoops));
  return stack;
}

function withoutLoops(record: LayerRecord): LayerRecord {
  return record.type === 'symlink' ? { ...record, linkpath: `none/${record.linkpath}` } : record;
}

function withoutPrivilege(record: LayerRecord): LayerRecord {
  const { type } = record;
  const xattrs = [...record.xattrs].filter(([name]) => name.startsWith('user.'));
  const isDevice = type === 'character' || type === 'block';
  return {
    ...record,
    xattrs: new Map(xattrs),
    ...(isDevice && { type: 'fifo' as const, major: 0, minor: 0 }),
  };
}

export function ownedBy(id: number, stack: readonly (readonly LayerRecord[])[]): LayerRecord[][] {
  return stack.map(records => records.map(record => ({ ...record, uid: id, gid: id })));
}
