import { openStore, type Store } from '../../store/index.ts';
import type { ImageOptions } from '../options.ts';
import type { OpenedImage } from '../source.ts';
import { createDraft } from './place.ts';

/**
 * The cache that layers' files are kept in, also those of images that are not in it themselves. Without a cache it is one
 * beside the result, for as long as it is open.
 */
export async function openCache(
  { pulled }: OpenedImage,
  place: string,
  options: ImageOptions,
): Promise<AsyncDisposable & { readonly store: Store }> {
  await using stack = new AsyncDisposableStack();
  let store = pulled?.store;
  if (store === undefined) {
    const { signal } = options;
    const root = options.cache === false ? stack.use(createDraft(place)).path : options.root;
    store = stack.use(await openStore({ root, signal }));
  }
  const kept = stack.move();
  return { store, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
