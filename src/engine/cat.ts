import { ShaleError } from '../error/index.ts';
import { byteString, printable } from '../tree/printable.ts';
import type { ImageOptions } from './options.ts';
import { openPlace } from './place/open.ts';
import { resolve } from './place/resolve.ts';

/**
 * The content of a regular file in a squashfs, EROFS or tar file, in a stack, in a directory, or in an image (`oci:…`), in chunks that are
 * the caller's to keep. Symlinks are followed inside the root, as chroot does. `not-found` where nothing is, `invalid`
 * for what is not a file. Of an image all layers are read and verified first, and the file's own one again.
 */
export async function* cat(
  place: string,
  path: string,
  options: ImageOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  await using view = await openPlace(place, options);
  const found = resolve(view, byteString(path), true);
  const { type } = view.describe(found.handle);
  if (type !== 'file') {
    throw new ShaleError('invalid', `/${printable(found.path)} is a ${type}, not a file`, {
      detail: { path: printable(found.path), type },
    });
  }
  yield* view.read(found.handle);
}
