import { join } from 'node:path';
import { createTemporaryDirectory, temporaryRoot } from '../host/index.ts';
import { formatPlatform, type NamedSource, type Platform } from '../oci/index.ts';
import { openPulled, type PulledImage } from '../pull/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { openStore, type Store } from '../store/index.ts';
import type { ImageOptions, RegistryOptions } from './options.ts';

export interface NamedImage extends AsyncDisposable {
  readonly image: PulledImage;
  readonly signal: AbortSignal;
  readonly pulled: { readonly image: PulledImage; readonly store: Store };
}

/**
 * Opens an image by its reference: out of the cache, or out of its registry and into the cache. `cache:` is the cache
 * alone. Without a cache what is fetched lives in a private directory until the image is closed.
 */
export async function openNamed(
  { kind, reference }: NamedSource<'registry' | 'cache'>,
  platforms: { readonly host: Platform; readonly platform: Platform | undefined },
  options: ImageOptions,
): Promise<NamedImage> {
  const { signal, onProgress, retries, cache = true } = options;
  await using stack = new AsyncDisposableStack();
  const store = stack.use(
    cache || kind === 'cache' ? await openStore(options) : await openPrivateStore(stack),
  );
  const image = stack.use(
    await openPulled(reference, {
      ...platforms,
      ...{ store, signal, retries },
      policy: kind === 'cache' ? 'never' : (options.policy ?? 'if-not-present'),
      connect: connector(stack, options),
      onReceived: (layer, received) =>
        onProgress?.({ type: 'download', layer, received, size: image.layers[layer]!.size }),
      onRetry: event => onProgress?.({ type: 'retry', ...event }),
    }),
  );
  if (image.upToDate)
    store.touchImage({ reference: image.reference, platform: formatPlatform(image.platform) });
  const kept = stack.move();
  return {
    ...{ image, signal: image.signal, pulled: { image, store } },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Connects to registries at the first call; closed with the stack. */
function connector(stack: AsyncDisposableStack, options: ImageOptions): () => Promise<RegistryClient> {
  let client: Promise<RegistryClient> | undefined;
  stack.defer(async () => (await client)?.[Symbol.asyncDispose]());
  return () => {
    client ??= connect(options);
    return client;
  };
}

export async function connect(
  options: RegistryOptions & Pick<ImageOptions, 'onProgress'>,
): Promise<RegistryClient> {
  const { authFile, insecureRegistries, certDir, retries, onProgress } = options;
  const { createRegistryClient } = await import('../registry/index.ts');
  return createRegistryClient({
    ...{ authFile, insecureRegistries, certDir, retries },
    onRetry: event => onProgress?.({ type: 'retry', ...event }),
  });
}

async function openPrivateStore(stack: AsyncDisposableStack): Promise<Store> {
  const directory = stack.use(createTemporaryDirectory(join(temporaryRoot(), 'pull')));
  return await openStore({ root: directory.path });
}
