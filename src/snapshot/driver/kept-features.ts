import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { isErrno } from '../../error/index.ts';

/** What an overlay does with its upper directory on request: copies metadata up alone, renames directories, syncs nothing. */
export const features = ['metacopy', 'redirect_dir', 'volatile'] as const;
export type Feature = (typeof features)[number];

/** Those that leave marks in a layer, which nobody can read for whom they are off. */
export const markingFeatures: readonly Feature[] = ['metacopy', 'redirect_dir'];

/** Keeps for whoever mounts a snapshot later with what it was prepared; of the usual, nothing is kept. Durable once its directory is synced. */
export function keepFeatures(path: string, wanted: readonly Feature[]): void {
  if (wanted.length === 0) return;
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, `${wanted.join('\n')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function readFeatures(path: string): readonly Feature[] {
  try {
    const words = readFileSync(path, 'utf8').split('\n');
    return features.filter(feature => words.includes(feature));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
