import type { ByteString } from '../tree/index.ts';
import { call, cString } from './libc.ts';

const UMOUNT_NOFOLLOW = 8;
const MNT_DETACH = 2;

/**
 * Unmounts what is mounted at `target` itself. While it is in use that fails with EBUSY; with `lazily` it vanishes from its place
 * at once and goes when its last user does. Throws as `fs` does.
 */
export function unmount(target: ByteString, { lazily = false }: { readonly lazily?: boolean } = {}): void {
  call('umount2', target, cString(target), UMOUNT_NOFOLLOW + (lazily ? MNT_DETACH : 0));
}
