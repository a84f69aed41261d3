import type { ByteString } from '../tree/index.ts';
import { byteString } from '../tree/printable.ts';
import type { ImageOptions } from './options.ts';
import { openPlace } from './place/open.ts';
import { resolve } from './place/resolve.ts';
import type { Description, View } from './place/view.ts';

/** One name of a listing. */
export interface ListEntry extends Description {
  /** From the root, without a leading slash and without a symlink among its parents; '' is the root itself. */
  readonly path: ByteString;
}

/**
 * What stands in a directory of a squashfs, EROFS or tar file, of a stack, of a directory, or of an image (`oci:…`), in byte order of the
 * names; with `recursive` all that stands below, a directory before its own. Of what is not a directory, itself.
 * `path` is text; its parents are followed through symlinks inside the root, its last name only where a slash follows it.
 * Of a squashfs only the directories in question are read. `not-found` where nothing is.
 */
export async function* list(
  place: string,
  options: ImageOptions & {
    readonly path?: string | undefined;
    readonly recursive?: boolean | undefined;
  } = {},
): AsyncGenerator<ListEntry, void, undefined> {
  await using view = await openPlace(place, options);
  const { handle, path } = resolve(view, byteString(options.path ?? ''), false);
  const found = view.describe(handle);
  if (found.type !== 'directory') {
    yield { path, ...found };
    return;
  }
  yield* walk(view, handle, path, options.recursive === true);
}

function* walk<H>(view: View<H>, start: H, path: ByteString, recursive: boolean): Generator<ListEntry> {
  const stack = [{ path, children: view.children(start)[Symbol.iterator]() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { value, done } = top.children.next();
    if (done) {
      stack.pop();
      continue;
    }
    const [name, handle] = value;
    const full = top.path === '' ? name : `${top.path}/${name}`;
    const found = view.describe(handle);
    yield { path: full, ...found };
    if (recursive && found.type === 'directory') {
      stack.push({ path: full, children: view.children(handle)[Symbol.iterator]() });
    }
  }
}
