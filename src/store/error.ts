import { isErrno, ShaleError, wrapErrno } from '../error/index.ts';

/** The cache lacks something, is damaged, is held by another process, or its disk is full. */
export class StoreError extends ShaleError {}

/** As `wrapErrno`; a full disk becomes an error that says which, and how to make room. */
export function wrapStore(error: unknown, doing: string, root: string): unknown {
  if (!isErrno(error, 'ENOSPC', 'EDQUOT')) return wrapErrno(error, doing);
  const full = error.code === 'EDQUOT' ? 'the disk quota is used up' : 'the disk is full';
  return new StoreError('exhausted', `${doing}: ${full} (${error.code})`, {
    cause: error,
    detail: { errno: error.code, path: error.path, root },
    hint: `make room on the disk of ${root}: shale gc removes what nothing needs, shale rm removes images; what was downloaded so far is kept`,
  });
}
