import { lstatSync } from 'node:fs';
import { isErrno, wrapErrno } from '../../../error/index.ts';
import { sealFile, unsealFile } from '../../../verity/index.ts';
import { SnapshotError } from '../../error.ts';

/** How committed layers are kept from being changed. */
export interface SealWish {
  /** The filesystem checks every read (fs-verity): where it can, or not at all. */
  readonly verity: 'auto' | 'no';
  /** Nobody removes or changes the file, root included, until the snapshot is removed. */
  readonly immutable: boolean;
}

/** Seals a layer as far as that is wished and possible. Nothing of it is undone if it is done again. SnapshotError `unsupported` if `immutable` cannot be had. */
export async function sealLayer(path: string, wish: SealWish, signal?: AbortSignal): Promise<void> {
  // A file that the cache has, too, is the cache's: it has its own way to keep it.
  if (lstatSync(path).nlink > 1) return;
  const steps = [
    ...(wish.verity === 'auto' ? ['fsverity' as const] : []),
    ...(wish.immutable ? ['immutable' as const] : []),
  ];
  if (steps.length === 0) return;
  const { immutable } = await sealFile(path, { steps, signal });
  if (!wish.immutable || immutable.done) return;
  throw new SnapshotError('unsupported', `${path} cannot be made immutable: ${immutable.reason}`, {
    detail: { path },
    hint: 'leave the setting immutable out, or put --root on another filesystem',
  });
}

/** Takes the immutable flag off, so that the file can be removed. One that is not there needs nothing. */
export function unsealLayer(path: string): void {
  try {
    if (lstatSync(path).nlink > 1) return;
    unsealFile(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot unseal ${path}`);
  }
}
