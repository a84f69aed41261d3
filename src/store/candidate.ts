import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../error/index.ts';
import { type Layout, listNames } from './layout.ts';
import type { Trash } from './trash.ts';

/** `verity` and `warm` belong to artifacts: hash trees, and what starts something faster. */
export type StoredKind =
  | 'blob'
  | 'ingest'
  | 'index'
  | 'artifact'
  | 'verity'
  | 'warm'
  | 'initramfs'
  | 'lease'
  | 'temporary';

/** One thing in the cache, and what is to become of it. */
export interface Candidate {
  readonly kind: StoredKind;
  /** A digest where it has one, else the path below the root. */
  readonly name: string;
  /** What it takes on the disk. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
  /** Why it stays; `undefined` if nothing needs it. */
  readonly kept: string | undefined;
  /**
   * What to do if it goes: false if that turned out to be impossible, for somebody has just taken it. SealError if it
   * is sealed, and we may not break the seal.
   */
  readonly remove: (trash: Trash) => boolean;
}

/** How long a file may lie about that no lock belongs to, in milliseconds: writing one takes seconds. */
const temporaryLife = 60 * 60 * 1000;

/** A file that no lock belongs to. */
export function temporary(layout: Layout, path: string, stats: Stats, now: number): Candidate {
  const kept =
    stats.mtimeMs + temporaryLife > now ? 'it may be in use: it is younger than an hour' : undefined;
  const name = path.slice(layout.root.length + 1);
  return {
    kind: 'temporary',
    name,
    bytes: stats.size,
    changed: stats.mtimeMs,
    kept,
    remove: trash => taken(trash, path),
  };
}

/** Into the trash. */
export function taken(trash: Trash, path: string): true {
  trash.take(path);
  return true;
}

/** The lengths of all files. */
export function treeBytes(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  return listNames(path).reduce((sum, name) => sum + treeBytes(join(path, name)), 0);
}

/** The blocks that a file, or all files of a directory, take: less than their lengths where there are holes. */
export function diskBytes(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.blocks * 512;
  try {
    return listNames(path).reduce((sum, name) => sum + diskBytes(join(path, name)), 0);
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM')) return 0; // Another user's, to whom a part of a zone was given.
    throw error;
  }
}
