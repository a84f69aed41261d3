import { lstatSync, unlinkSync } from 'node:fs';
import { isErrno } from '../error/index.ts';
import { removeTree } from '../host/index.ts';
import { withoutSeal } from './seal.ts';

/** Removes a file, sealed or not, or whatever else is there. SealError if we may not break the seal. */
export function removeSealed(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    removeTree(path);
    return;
  }
  try {
    withoutSeal(path, () => unlinkSync(path));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
