import { createCipheriv, createHash } from 'node:crypto';
import { type Digest, mediaTypes, parseDigest } from '../../src/oci/index.ts';
import type { NewImage, Store } from '../../src/store/index.ts';

export function digestOf(bytes: Uint8Array): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
}

/** Bytes that follow from a number alone. */
export function noise(seed: number, size: number): Buffer {
  const key = createHash('md5').update(`${seed}`).digest();
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export interface Sample {
  readonly image: NewImage;
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** An image whose layers follow from numbers: equal numbers, equal blobs. Layers are not tars: the store does not look. */
export function createSample(
  reference: string,
  layers: readonly number[],
  { platform = 'linux/amd64', size = 5000 }: { readonly platform?: string; readonly size?: number } = {},
): Sample {
  const blobs = new Map<Digest, Buffer>();
  const add = (bytes: Buffer, mediaType: string) => {
    blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const descriptors = layers.map(seed => add(noise(seed, size + seed), `${mediaTypes.layer}+gzip`));
  const diffIds = layers.map(seed => digestOf(Buffer.from(`diff ${seed}`)));
  const [os, architecture, variant] = platform.split('/');
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const config = add(
    json({ os, architecture, variant, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
    mediaTypes.config,
  );
  const manifest = add(
    json({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: descriptors }),
    mediaTypes.manifest,
  );
  return {
    blobs,
    image: {
      ...{ reference, platform, target: manifest.digest },
      ...{ manifest: manifest.digest, manifestSize: manifest.size, manifestType: manifest.mediaType },
      ...{ config: config.digest, configSize: config.size, configType: config.mediaType },
      layers: descriptors.map((layer, position) => ({ ...layer, diffId: diffIds[position]! })),
    },
  };
}

/** Brings a blob in as a download would: in two pieces, unless it is there. True if it had to. */
export async function ingest(store: Store, bytes: Buffer, signal?: AbortSignal): Promise<boolean> {
  const begun = await store.beginIngest({ digest: digestOf(bytes), size: bytes.length }, { signal });
  if (!('writeAt' in begun)) return false;
  using held = begun;
  const half = Math.floor(bytes.length / 2);
  held.writeAt(bytes.subarray(half), half);
  held.writeAt(bytes.subarray(0, half), 0);
  await held.commit();
  return true;
}

/** All that a pull does to the store. */
export async function put(store: Store, { image, blobs }: Sample): Promise<void> {
  using lease = store.lease(`pull of ${image.reference}`, blobs.keys());
  for (const bytes of blobs.values()) await ingest(store, bytes);
  store.putImage(image);
  lease.release();
}
