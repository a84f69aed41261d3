import { randomBytes } from 'node:crypto';
import { lstatSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** For SQLite's two files, which grow before anything is freed. */
const reserveBytes = 512 * 1024;

/** Sets room aside beside the database for the day on which the disk is full, in bytes that no filesystem compresses. On a small or full disk it is left out. */
export function setAsideReserve(database: string): void {
  const path = pathOf(database);
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
    const { bavail, bsize } = statfsSync(dirname(path));
    if (bavail * bsize < 2 * reserveBytes) return;
    writeFileSync(path, randomBytes(reserveBytes), { mode: 0o600, flag: 'wx' });
  } catch {
    giveReserve(database);
  }
}

/** Gives the room back, to whoever is about to free more; false if there is none. */
export function giveReserve(database: string): boolean {
  try {
    rmSync(pathOf(database));
    return true;
  } catch {
    return false;
  }
}

const pathOf = (database: string) => `${database}-reserve`;
