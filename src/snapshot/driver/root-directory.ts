import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { isErrno } from '../../error/index.ts';
import { readModified, readXattrs, setModified, setXattr } from '../../host/index.ts';
import { byteString } from '../../tree/index.ts';

/** OverlayFS's own, which would steer the next mount. */
const marker = /^(trusted|user)\.(overlay|fuseoverlayfs)\./;

/**
 * Makes a directory that will be the root of what is mounted: with the metadata of `parent`, the root below it, which it covers; 0755 and ours where
 * there is none. Owners and attributes that we may not give are left out: in a user namespace those are not seen, either.
 */
export function makeRootDirectory(path: string, parent: string | undefined): void {
  mkdirSync(path, { mode: 0o755 });
  describeRootDirectory(path, parent);
}

/** The same for a directory that is there. */
export function describeRootDirectory(path: string, parent: string | undefined): void {
  if (parent === undefined) {
    chmodSync(path, 0o755);
    return;
  }
  const { uid, gid, mode } = lstatSync(parent);
  tolerate(() => chownSync(path, uid, gid));
  const target = byteString(path);
  for (const [name, value] of readXattrs(byteString(parent))) {
    if (!marker.test(name)) tolerate(() => setXattr(target, name, value));
  }
  chmodSync(path, mode % 0o10000);
  setModified(target, readModified(byteString(parent)));
}

function tolerate(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP')) throw error;
  }
}
