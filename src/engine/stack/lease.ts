import type { Image } from '../../archive/index.ts';
import type { Store } from '../../store/index.ts';

/** Keeps the files of an image's stack from gc, those that are there and those that come: from before they are looked for until they are used. */
export function leaseStack(
  store: Store,
  { reference, manifestDigest, configDigest, layers }: Image,
): Disposable {
  const digests = [manifestDigest ?? configDigest, ...layers.map(({ diffId }) => diffId)];
  const lease = store.lease(`stack of ${reference}`, digests);
  return { [Symbol.dispose]: () => lease.release() };
}
