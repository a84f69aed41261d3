import { type ByteString, printable, type Xattrs } from '../../tree/index.ts';
import { show } from './check.ts';
import type { Change, ChangeEntry, ChangeType } from './entry.ts';
import { DiffError } from './error.ts';

const prefix = 'trusted.overlay.';

/**
 * What an entry of an upper directory means (kernel, Documentation/filesystems/overlayfs.rst): a 0:0 character device
 * deletes its name below, a directory with `trusted.overlay.opaque` hides what stands below. What refers to a place
 * below, as a renamed directory does under `redirect_dir` and a file under `metacopy`, no layer can say: DiffError
 * `unsupported`, for it must not be lost in silence.
 */
export function readOverlay(entry: ChangeEntry, type: ChangeType): Change {
  const { path, device, xattrs } = entry;
  if (type === 'character' && device!.major === 0 && device!.minor === 0) return { kind: 'whiteout', path };
  for (const name of ['redirect', 'metacopy', 'whiteout']) {
    if (xattrs.has(prefix + name)) throw inexpressible(path, name);
  }
  const opaque = isYes(xattrs.get(`${prefix}opaque`));
  return {
    kind: 'entry',
    entry: { ...entry, xattrs: withoutState(xattrs) },
    type,
    opaque: opaque && type === 'directory',
  };
}

function isYes(value: Uint8Array | undefined): boolean {
  return value?.length === 1 && value[0] === 0x79;
}

/**
 * Without what OverlayFS keeps for itself: in a layer it could steer the next mount. `user.overlay.*` too, which means
 * nothing in a zone, where it is the workload's own, and something on a mount without privilege.
 */
function withoutState(xattrs: Xattrs): Xattrs {
  return new Map(
    [...xattrs].filter(([name]) => !name.startsWith(prefix) && !name.startsWith('user.overlay.')),
  );
}

/** What refers to a place below. */
export function inexpressible(path: ByteString, name: string): DiffError {
  return new DiffError('unsupported', `${show(path)} has overlay.${name}, which no layer can say`, {
    detail: { path: printable(path), xattr: name },
    hint: 'the overlay must be mounted with redirect_dir=off and metacopy=off',
  });
}
