import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from './remove.ts';

/** Of each file, and how many there are: SQLite's two, and others that have to be written, or moved, before anything is freed. */
const fileBytes = 128 * 1024;
const fileCount = 4;

/**
 * Sets room aside, in a directory of its own, for the day on which the disk is full: SQLite needs some even to read, and has to grow before anything is
 * freed. Bytes that no filesystem compresses, and names. Where there is no room for it, it is left out.
 */
export function setAsideReserve(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  try {
    mkdirSync(path, { mode: 0o700 });
    for (let number = 0; number < fileCount; number++)
      writeFileSync(join(path, `${number}`), randomBytes(fileBytes), { mode: 0o600 });
  } catch {
    tryRemove(path);
  }
}

/** Gives the room back, to whoever is about to free more; false if there is none. */
export function giveReserve(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined && tryRemove(path);
}

/** Whether so little is left on the disk, in bytes or in names, that SQLite may fail. A quota may be used up before. */
export function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(path);
    return bavail * bsize < fileCount * fileBytes || (files > 0 && ffree < fileCount);
  } catch {
    return false;
  }
}

function tryRemove(path: string): boolean {
  try {
    removeTree(path);
    return true;
  } catch {
    return false;
  }
}
