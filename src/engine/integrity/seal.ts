import { closeSync, constants, openSync } from 'node:fs';
import { isErrno, ShaleError, type Warnings } from '../../error/index.ts';
import { isImmutable } from '../../host/index.ts';
import { type Sealed, sealFile } from '../../verity/index.ts';

export interface SealedFile extends Sealed {
  readonly path: string;
}

/**
 * Seals files that are in their places, each as far as that is possible; what is not is a warning, and in the result. VerityError
 * `corrupt` if the kernel reads other bytes than were hashed.
 */
export async function sealFiles(
  files: readonly { readonly path: string; readonly fsverity?: string | undefined }[],
  { warnings, jobs }: { readonly warnings: Warnings; readonly jobs?: number | undefined },
): Promise<readonly SealedFile[]> {
  const sealed: SealedFile[] = [];
  for (const { path, fsverity: expected } of files) {
    sealed.push({ path, ...(await sealFile(path, { expected, jobs })) });
  }
  // Told when all is done that can be: under --strict the first one ends it.
  for (const { path, fsverity, immutable } of sealed) {
    if (!fsverity.done) tell(warnings, path, `has no fs-verity: ${fsverity.reason}`);
    if (!immutable.done) tell(warnings, path, `is not immutable: ${immutable.reason}`);
  }
  return sealed;
}

function tell(warnings: Warnings, path: string, problem: string): void {
  warnings.add({ code: 'unsealed', message: `${path} ${problem}` });
}

/** ShaleError `exists` for a file that may be neither replaced nor removed; nothing if there is none, or nobody can tell. */
export function refuseSealed(path: string): void {
  if (!isSealed(path)) return;
  throw new ShaleError('exists', `${path} is sealed, and cannot be replaced`, {
    detail: { path },
    hint: `choose another name, or take the seal off: chattr -i ${path}`,
  });
}

function isSealed(path: string): boolean {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    // What cannot be opened will be told of by whoever replaces it.
    return false;
  }
  try {
    return isImmutable(fd);
  } catch (error) {
    if (isErrno(error, 'ENOTTY', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL')) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
