import { chmodSync, fchmodSync, fchownSync, lchownSync, statfsSync } from 'node:fs';
import { isErrno, type Warnings, wrapErrno } from '../error/index.ts';
import { type ByteString, type InodeType, printable, type Timestamp, type Xattrs } from '../tree/index.ts';
import { HostError } from './error.ts';
import { hasLibc, pathBytes } from './libc.ts';
import type { Losses } from './losses.ts';
import { readModified, setModified, setModifiedOf } from './time.ts';
import { setXattr } from './xattr.ts';

/** What is known of a file besides its content: an inode of a tree, an entry of a layer. */
export interface FileMetadata {
  readonly type: InodeType;
  /** The lower 12 bits of st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: Xattrs;
}

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** (uid_t) -1 means "leave it" to chown(2), so that no file can have it. */
const noId = 0xffffffff;
const setuid = 0o4000;
const setgid = 0o2000;

/** What is given metadata, by its name or, where it is open, by its descriptor. */
interface Subject {
  readonly at: ByteString;
  readonly fd: number | undefined;
}

/** Sets owner, xattrs, mode and times of files that were just created, and counts what the system refuses. */
export class Metadata {
  readonly #warnings: Warnings;
  readonly #losses: Losses;
  readonly #created: FileOwner;
  /** Owners that were refused once; asking again for each of a hundred thousand files costs more than the rest. */
  readonly #refused = new Set<string>();

  /** `created` owns what the metadata is set on, if nothing else is said: what is his already needs no chown. */
  constructor(created: FileOwner, options: { warnings: Warnings; losses: Losses }) {
    this.#warnings = options.warnings;
    this.#losses = options.losses;
    this.#created = created;
  }

  /**
   * Gives the file at `at` the inode's metadata; a directory's contents must stand already. The order is the kernel's:
   * chown clears setuid bits and capabilities, an ACL changes the mode, and a mode may take our own access away.
   */
  apply(at: ByteString, path: ByteString, inode: FileMetadata, owner = this.#created): void {
    this.#apply({ at, fd: undefined }, path, inode, owner);
  }

  /** The same for a regular file that is open as `fd`, for which the kernel need not look up its name again and again. */
  applyToOpen(fd: number, at: ByteString, path: ByteString, inode: FileMetadata): void {
    this.#apply({ at, fd }, path, inode, this.#created);
  }

  #apply(subject: Subject, path: ByteString, inode: FileMetadata, owner: FileOwner): void {
    const { at, fd } = subject;
    try {
      const mode = this.#own(subject, inode, owner);
      if (inode.xattrs.size > 0) this.#setXattrs(at, path, inode);
      this.#setTime(subject, path, inode);
      if (fd !== undefined) fchmodSync(fd, mode);
      else if (inode.type !== 'symlink') chmodSync(pathBytes(at), mode);
    } catch (error) {
      throw wrapErrno(error, `cannot set the metadata of ${shown(path)}`);
    }
  }

  /** Sets the owner and returns the mode that may be given with the owner that it has now. */
  #own(subject: Subject, inode: FileMetadata, owner: FileOwner): number {
    const { uid, gid, mode } = inode;
    if (uid === owner.uid && gid === owner.gid) return mode;
    if (this.#chown(subject, uid, gid)) return mode;
    this.#losses.add('owner');
    const group = gid === owner.gid || this.#chown(subject, -1, gid);
    const user = uid === owner.uid || this.#chown(subject, uid, -1);
    if (inode.type === 'directory' || inode.type === 'symlink') return mode;
    // Another owner's setuid program would run as somebody whom the image never meant.
    let kept = mode;
    if (!user) kept &= ~setuid;
    if (!group) kept &= ~setgid;
    if (kept !== mode) this.#losses.add('setid');
    return kept;
  }

  /** -1 leaves an id as it is. False if the system refuses. */
  #chown({ at, fd }: Subject, uid: number, gid: number): boolean {
    const owner = `${uid}:${gid}`;
    if (uid === noId || gid === noId || this.#refused.has(owner)) return false;
    try {
      if (fd === undefined) lchownSync(pathBytes(at), uid, gid);
      else fchownSync(fd, uid, gid);
      return true;
    } catch (error) {
      // EINVAL: an id that the user namespace does not map.
      if (!isErrno(error, 'EPERM', 'EINVAL')) throw error;
      this.#refused.add(owner);
      return false;
    }
  }

  #setXattrs(at: ByteString, path: ByteString, { type, xattrs }: FileMetadata): void {
    for (const [name, value] of xattrs) {
      try {
        if (!hasLibc()) throw dropped;
        setXattr(at, name, value);
      } catch (error) {
        if (isErrno(error, 'ENOSPC') && statfsSync(pathBytes(at)).bavail === 0) throw error;
        const denied = isErrno(error, 'EPERM', 'EACCES');
        // Nobody may have user.* on what is neither file nor directory: xattr(7).
        const impossible = name.startsWith('user.') && type !== 'file' && type !== 'directory';
        if (denied && !impossible) {
          this.#losses.add('xattr');
        } else if (denied || error === dropped || isErrno(error, ...unholdable)) {
          this.#warnings.add({
            code: 'xattr-dropped',
            message: `${shown(path)}: the filesystem cannot hold xattr ${printable(name)} (${value.length} bytes)`,
            path: printable(path),
          });
        } else {
          throw error;
        }
      }
    }
  }

  #setTime({ at, fd }: Subject, path: ByteString, { mtime }: FileMetadata): void {
    if (fd === undefined) setModified(at, mtime);
    else setModifiedOf(fd, mtime);
    // Every filesystem holds these; for others the kernel clamps without a word.
    if (mtime.seconds >= 0 && mtime.seconds <= 0x7fffffff) return;
    const { seconds } = readModified(at);
    if (seconds === mtime.seconds) return;
    this.#warnings.add({
      code: 'time-clamped',
      message: `${shown(path)}: the filesystem holds mtime ${mtime.seconds} as ${seconds}`,
      path: printable(path),
    });
  }
}

const dropped = new HostError('unsupported', 'no xattrs on this platform');
const unholdable = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSPC', 'EDQUOT', 'E2BIG', 'ERANGE', 'EINVAL', 'ENAMETOOLONG'];

/** An image's path for a message. */
export function shown(path: ByteString): string {
  return `/${printable(path)}`;
}
