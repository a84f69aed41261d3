import { isErrno, ShaleError } from '../error/index.ts';
import { type SealOutcome, unsealFile } from '../verity/seal.ts';
import { StoreError } from './error.ts';

/** A file cannot be removed: it is sealed, and we may not break the seal. */
export class SealError extends StoreError {}

/**
 * Does something to a name of a file that may be sealed: an immutable file can be neither removed, renamed nor replaced. Then the
 * seal is taken off, and it is tried again. SealError `denied` if we may not do that.
 */
export function withoutSeal(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    unseal(path, error);
    work();
  }
}

/** Takes the seal off, if there is one. */
export function unseal(path: string, cause?: unknown): void {
  let outcome: SealOutcome;
  try {
    outcome = unsealFile(path);
  } catch (error) {
    // Nothing that can be sealed, or looked at: whoever removes it says what is wrong.
    if (error instanceof ShaleError) return;
    throw error;
  }
  if (outcome.done) return;
  throw new SealError('denied', `it is sealed, and cannot be removed: that ${outcome.reason}`, {
    cause,
    detail: { path },
    hint: `root may take the seal off: chattr -i ${path}`,
  });
}
