import { constants, copyFileSync, linkSync, renameSync, rmSync } from 'node:fs';
import { isErrno, wrapErrno } from '../../../error/index.ts';

/** Gives a file that never changes again a second name, `to`; `draft` is what it is called until it is whole. */
export function adoptFile(
  path: string,
  { draft, to }: { readonly draft: string; readonly to: string },
): void {
  rmSync(draft, { force: true });
  try {
    linkOrCopy(path, draft);
    renameSync(draft, to);
  } catch (error) {
    throw wrapErrno(error, `cannot take ${path} as a layer`);
  }
}

/** One file under two names costs nothing; where that cannot be, blocks are shared if the filesystem can do that. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS')) throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL + constants.COPYFILE_FICLONE);
  }
}
