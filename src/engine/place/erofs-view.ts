import { ErofsError } from '../../erofs/error.ts';
import type { ErofsImage } from '../../erofs/image.ts';
import type { StoredInode } from '../../erofs/inode-reader.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Description, View } from './view.ts';

/** An image, and the files that it is read from. */
interface OpenImage extends Disposable {
  readonly image: ErofsImage;
}

/** An image of which only those directories are read that are looked into. Each can be listed once: an image may be a trap. */
export class ErofsView implements View<StoredInode> {
  readonly #file: OpenImage;
  readonly #listed = new Set<number>();

  /** Disposes of the file with itself. */
  constructor(file: OpenImage) {
    this.#file = file;
  }

  get root(): StoredInode {
    return this.#file.image.root;
  }

  describe(inode: StoredInode): Description {
    const { type, mode, uid, gid, mtime, links } = inode;
    const common = { type, mode, uid, gid, mtime, links, xattrs: this.#file.image.xattrs(inode) };
    if (inode.type === 'file') return { ...common, size: inode.size };
    if (inode.type === 'symlink') return { ...common, target: inode.target };
    if (inode.type === 'block' || inode.type === 'character') {
      return { ...common, major: inode.major, minor: inode.minor };
    }
    return common;
  }

  *children(directory: StoredInode): Iterable<readonly [ByteString, StoredInode]> {
    if (directory.type !== 'directory') return;
    const { nid } = directory;
    if (this.#listed.has(nid)) {
      throw new ErofsError('corrupt', `directory ${nid} stands in two directories or in itself`);
    }
    this.#listed.add(nid);
    const { image } = this.#file;
    for (const entry of image.list(directory)) yield [entry.name, image.entryInode(entry)];
  }

  child(directory: StoredInode, name: ByteString): StoredInode | undefined {
    return directory.type === 'directory' ? this.#file.image.find(directory, name) : undefined;
  }

  read(file: StoredInode): Iterable<Uint8Array> {
    return file.type === 'file' ? this.#file.image.read(file) : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file[Symbol.dispose]();
  }
}
