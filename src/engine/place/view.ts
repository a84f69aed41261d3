import type { ByteString, Inode, Timestamp, Xattrs } from '../../tree/index.ts';

/** What stands under a name, without its content. */
export interface Description {
  readonly type: Inode<unknown>['type'];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: Xattrs;
  /** Names of a non-directory; 2 + subdirectories of a directory. */
  readonly links: number;
  /** Of a file, in bytes. */
  readonly size?: number;
  /** Of a symlink. */
  readonly target?: ByteString;
  /** Of a device. */
  readonly major?: number;
  readonly minor?: number;
}

/** A filesystem to look around in; `H` is whatever it names its inodes by. */
export interface View<H> extends AsyncDisposable {
  readonly root: H;
  describe(handle: H): Description;
  /** What stands in a directory, in byte order of the names. */
  children(directory: H): Iterable<readonly [name: ByteString, handle: H]>;
  child(directory: H, name: ByteString): H | undefined;
  /** A file's content, in chunks that are the caller's to keep. */
  read(file: H): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}
