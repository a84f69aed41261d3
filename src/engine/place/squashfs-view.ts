import { ImageFile } from '../../host/image-file.ts';
import { SquashfsError } from '../../squashfs/error.ts';
import { openSquashfs, type SquashfsImage } from '../../squashfs/image.ts';
import type { StoredInode } from '../../squashfs/inode-reader.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Description, View } from './view.ts';

/** An image of which only those directories are read that are looked into. Each can be listed once: an image may be a trap. */
export class SquashfsView implements View<StoredInode> {
  readonly #file: ImageFile;
  readonly #image: SquashfsImage;
  readonly #listed = new Set<number>();

  constructor(path: string) {
    this.#file = new ImageFile(path);
    try {
      this.#image = openSquashfs(this.#file);
    } catch (error) {
      this.#file[Symbol.dispose]();
      throw error;
    }
  }

  get root(): StoredInode {
    return this.#image.root;
  }

  describe(inode: StoredInode): Description {
    const { type, mode, uid, gid, links } = inode;
    const mtime = { seconds: inode.mtime, nanoseconds: 0 };
    const common = { type, mode, uid, gid, mtime, links, xattrs: this.#image.xattrs(inode) };
    if (inode.type === 'file') return { ...common, size: inode.size };
    if (inode.type === 'symlink') return { ...common, target: inode.target };
    if (inode.type === 'block' || inode.type === 'character') {
      return { ...common, major: inode.major, minor: inode.minor };
    }
    return common;
  }

  *children(directory: StoredInode): Iterable<readonly [ByteString, StoredInode]> {
    if (directory.type !== 'directory') return;
    if (this.#listed.has(directory.number)) {
      throw new SquashfsError(
        'corrupt',
        `directory ${directory.number} stands in two directories or in itself`,
      );
    }
    this.#listed.add(directory.number);
    for (const { name, reference } of this.#image.list(directory)) yield [name, this.#image.inode(reference)];
  }

  child(directory: StoredInode, name: ByteString): StoredInode | undefined {
    return directory.type === 'directory' ? this.#image.find(directory, name) : undefined;
  }

  read(file: StoredInode): Iterable<Uint8Array> {
    return file.type === 'file' ? this.#image.read(file) : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#image.close();
    this.#file[Symbol.dispose]();
  }
}
