import type { BigIntStats } from 'node:fs';
import * as disk from '../disk.ts';
import type { ListedInode, Listing } from '../model/listing.ts';

/** What stands below a directory on disk, in the whole seconds of squashfs. */
export function listDisk(root: string): Listing {
  return disk.listDisk(root, { wholeSeconds: true });
}

export function walkDisk(root: string): Generator<readonly [string, BigIntStats, ListedInode]> {
  return disk.walkDisk(root, { wholeSeconds: true });
}
