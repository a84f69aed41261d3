import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import type { ImageSource } from '../bytes/image-source.ts';
import { ErofsError } from '../erofs/error.ts';
import { type ErofsImage, openErofs } from '../erofs/image.ts';
import type { DeviceSlot } from '../erofs/superblock-reader.ts';
import { isErrno } from '../error/index.ts';
import { ImageFile } from '../host/image-file.ts';
import { printable } from '../tree/index.ts';

/** An EROFS image that is a file, with the files beside it that hold the contents of its files, if it has such. */
export class ErofsFile implements Disposable {
  readonly image: ErofsImage;
  readonly #path: string;
  readonly #open = new DisposableStack();

  /** Throws as `fs` does, and ErofsError. */
  constructor(file: string) {
    this.#path = file;
    using stack = new DisposableStack();
    const source = stack.use(new ImageFile(file));
    this.image = stack.use(
      openErofs(source, { devices: (slot, number) => this.#device(slot, number, source.size) }),
    );
    this.#open = stack.move();
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  /**
   * A stack's layers are called by the tags that its images name them by: TAG.tar under an index of a tar, else TAG.erofs. They
   * lie beside the image, in `layers` below it, or in `layers` beside its directory. A shorter file is not the one that the
   * image was made over; a longer one may be: metadata, padding or a hash tree follow what the image points to.
   */
  #device({ tag, bytes }: DeviceSlot, number: number, imageSize: number): ImageSource {
    const self = realpathSync(this.#path);
    const directory = path.dirname(self);
    const { blockSize } = this.image.superblock;
    // A tag comes from outside, and must not lead elsewhere.
    const names = /^\w[\w.-]*$/.test(tag) ? [`${tag}.tar`, `${tag}.erofs`] : [];
    for (const place of [directory, path.join(directory, 'layers'), path.join(directory, '..', 'layers')]) {
      for (const name of names) {
        const file = path.join(place, name);
        const size = sizeOf(file);
        if (size === undefined || Math.ceil(size / blockSize) * blockSize < bytes) continue;
        if (size === imageSize && realpathSync(file) === self) continue;
        return this.#open.use(new ImageFile(file));
      }
    }
    const what = tag === '' ? 'which has no tag to find it by' : `tagged ${printable(tag)}`;
    throw new ErofsError('not-found', `${this.#path} needs its device ${number}, ${what}`, {
      detail: { device: number, tag, bytes },
      hint:
        names.length === 0
          ? 'mount it with -o device=FILE and look there'
          : `put ${names.join(' or ')}, of at least ${bytes} bytes, beside the image or into layers/ there`,
    });
  }
}

function sizeOf(file: string): number | undefined {
  try {
    const stat = statSync(file);
    return stat.isFile() ? stat.size : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
