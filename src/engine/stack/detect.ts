import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../error/index.ts';
import { documentLimit } from '../../oci/json.ts';
import { manifestName, stackMediaType } from './manifest.ts';

/**
 * Whether a directory is a stack: its `stack.json` says so, also one that is damaged otherwise. A root filesystem may have a
 * file of that name. Throws as `fs` does.
 */
export function isStack(directory: string): boolean {
  const text = readStart(join(directory, manifestName));
  if (text === undefined || !text.includes(stackMediaType)) return false;
  try {
    return (JSON.parse(text) as { mediaType?: unknown } | null)?.mediaType === stackMediaType;
  } catch {
    return true;
  }
}

/** Whether a stack may be meant: there is a `stack.json`, of whatever kind. */
export function hasManifest(directory: string): boolean {
  return existsSync(join(directory, manifestName));
}

function readStart(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return undefined;
    const bytes = Buffer.alloc(Math.min(stats.size, documentLimit));
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}
