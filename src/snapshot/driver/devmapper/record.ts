import { readFileSync } from 'node:fs';
import { isErrno } from '../../../error/index.ts';
import { replaceFile } from '../../../host/index.ts';
import { SnapshotError } from '../../error.ts';
import { knownSettings } from '../known-settings.ts';
import type { FilesystemType } from './settings.ts';

/** What has to be known beyond what the pool itself says. Numbers of devices are those of the snapshots, so there is no list of them. */
export interface PoolRecord {
  readonly pool: string;
  /** What the names of our devices have in them: another root has another. */
  readonly tag: string;
  /** Bytes of the largest filesystem that was ever made. */
  readonly largest: number;
  /** The empty filesystem that others are made of, once it is there. */
  readonly base: Base | undefined;
}

export interface Base {
  readonly type: FilesystemType;
  /** Bytes. */
  readonly size: number;
  /** In use, though nothing is in it. */
  readonly inodes: number;
}

/** `undefined` if there is none yet; SnapshotError `corrupt`. */
export function readRecord(path: string): PoolRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const record = parse(text);
  if (record !== undefined) return record;
  throw new SnapshotError('corrupt', `${path} is damaged`, {
    detail: { path },
    hint: 'remove it together with all snapshots and the pool’s devices',
  });
}

export function writeRecord(path: string, record: PoolRecord): void {
  replaceFile(path, Buffer.from(JSON.stringify(record)));
}

function parse(text: string): PoolRecord | undefined {
  try {
    const { pool, tag, largest, base } = JSON.parse(text);
    const isSize = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
    const isBase =
      base === undefined ||
      (knownSettings.devmapper.fs_type.choices.includes(base.type) && [base.size, base.inodes].every(isSize));
    const isRight = typeof pool === 'string' && /^[0-9a-f]+$/.test(tag) && isSize(largest) && isBase;
    return isRight ? { pool, tag, largest, base } : undefined;
  } catch {
    return undefined;
  }
}
