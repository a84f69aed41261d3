import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { ImageLayer } from '../../archive/index.ts';
import { ShaleError } from '../../error/index.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from '../../host/index.ts';
import { chainIds } from '../../oci/index.ts';
import { layerLabel, type Snapshots } from '../../snapshot/index.ts';
import { openStore } from '../../store/index.ts';
import type { ImageOptions } from '../options.ts';
import { type OpenedImage, openAndUse } from '../source.ts';
import { leaseStack } from '../stack/lease.ts';
import { isGone, passIfGone } from './gone.ts';
import { KeptLayers } from './kept-layers.ts';
import { labels } from './label.ts';
import { LayerArchives } from './layer-archive.ts';

/** An image whose layers are all committed snapshots, each called by its chainID. */
export interface UnpackedImage {
  /** The snapshot of the newest layer; `undefined` of an image without layers. */
  readonly snapshot: string | undefined;
  readonly reference: string;
  /** The manifest's digest, or the config's where there is none. */
  readonly digest: string;
  readonly layers: number;
  /** Layers that were unpacked now; the others were there. */
  readonly unpacked: number;
}

/** Unpacks what is not there yet of an image, layer by layer; an image from a registry is in the cache afterwards. */
export async function unpackImage(
  snapshots: Snapshots,
  source: string,
  options: ImageOptions,
): Promise<UnpackedImage> {
  const [opened, result] = await openAndUse(source, options, opened =>
    unpackLayers(snapshots, opened, options),
  );
  await opened[Symbol.asyncDispose]();
  return result;
}

async function unpackLayers(
  snapshots: Snapshots,
  opened: OpenedImage,
  options: ImageOptions,
): Promise<UnpackedImage> {
  const { image, limits, warnings, signal, onProgress, pulled } = opened;
  const chain = chainIds(image.layers.map(({ diffId }) => diffId));
  const missing: (readonly [number, ImageLayer])[] = [];
  for (const [position, layer] of image.layers.entries()) {
    if (!(await isMade(snapshots, chain[position]!))) missing.push([position, layer]);
  }
  if (missing.length > 0) await clearUnfinished(snapshots);
  await using kept = await openKept(snapshots, opened, options);
  const unpacking = missing.filter(([position]) => !kept.layers?.has(position));
  await using archives = new LayerArchives(unpacking, { limits, signal, onRead: onProgress });
  let unpacked = 0;
  for (const [position, layer] of missing) {
    const [name, parent] = [chain[position]!, chain[position - 1]];
    let wasRead = false;
    const place = { name, parent, diffId: layer.diffId };
    const apply = async (key: string) => {
      if (await kept.layers?.adopt(position, key, signal)) return;
      await snapshots.apply(key, archives.open(position, layer), { limits, warnings, signal });
      wasRead = true;
    };
    const made = await unpackLayer(snapshots, place, apply, signal);
    if (!made) continue;
    if (wasRead) layer.verified?.();
    unpacked += 1;
  }
  options.onProgress?.({ type: 'finish' });
  if (pulled !== undefined) {
    await pulled.image.fetchAll();
    await pulled.image.keep();
  }
  return {
    snapshot: chain.at(-1),
    reference: image.reference,
    digest: image.manifestDigest ?? image.configDigest,
    layers: chain.length,
    unpacked,
  };
}

/** The image's layers that the cache has in the driver's form; the cache is asked by those drivers alone that have a use for them. */
async function openKept(
  snapshots: Snapshots,
  { image, limits, pulled, signal }: OpenedImage,
  { cache, root }: ImageOptions,
): Promise<AsyncDisposable & { readonly layers?: KeptLayers }> {
  await using stack = new AsyncDisposableStack();
  let layers: KeptLayers | undefined;
  if (snapshots.driver.layerForm !== undefined && (pulled !== undefined || cache !== false)) {
    const store = pulled?.store ?? stack.use(await openStore({ root, signal }));
    stack.use(leaseStack(store, image));
    layers = new KeptLayers(snapshots, store, image.layers, limits);
  }
  const open = stack.move();
  return { ...(layers && { layers }), [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** Milliseconds between two attempts. */
const interval = 50;

/** A layer to be unpacked: `name` is its chainID, `parent` that of the layer below. */
export interface LayerPlace {
  readonly name: string;
  readonly parent: string | undefined;
  readonly diffId: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Makes a committed snapshot of a layer, unless it is there. Waits while somebody else does, here or in another process; false if they have made it. Nothing is left
 * after a failure.
 */
export async function unpackLayer(
  snapshots: Snapshots,
  place: LayerPlace,
  apply: (key: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<boolean> {
  for (;;) {
    const lock = await snapshots.lockName(place.name, signal);
    try {
      if (await isMade(snapshots, place.name)) return false;
      if (await tryUnpack(snapshots, place, apply)) return true;
    } finally {
      lock.remove();
    }
    // A filesystem without locks, and somebody else is just committing it.
    await setTimeout(interval);
  }
}

/** False if the name is taken. */
async function tryUnpack(
  snapshots: Snapshots,
  { name, parent, diffId, labels: more = {} }: LayerPlace,
  apply: (key: string) => Promise<void>,
): Promise<boolean> {
  const key = `unpack-${randomBytes(6).toString('hex')} ${name}`;
  const unpacker = JSON.stringify(identifyProcess(process.pid));
  await snapshots.prepare(key, parent, { labels: { [layerLabel]: name, [labels.unpacker]: unpacker } });
  try {
    await apply(key);
    await snapshots.commit(name, key, { labels: { [labels.diffId]: diffId, ...more } });
    return true;
  } catch (error) {
    await snapshots.remove(key).catch(() => {}); // `cleanup` finds it; why it failed is what counts
    if (error instanceof ShaleError && error.code === 'exists') return false;
    throw error;
  }
}

/** Removes what killed processes have unpacked of layers. */
export async function clearUnfinished(snapshots: Snapshots): Promise<void> {
  for await (const { key, kind, labels: all } of snapshots.walk()) {
    const unpacker = all[labels.unpacker];
    if (unpacker === undefined || kind !== 'active') continue;
    if (isRunning(JSON.parse(unpacker) as ProcessIdentity)) continue;
    await snapshots.remove(key).catch(passIfGone);
  }
}

async function isMade(snapshots: Snapshots, name: string): Promise<boolean> {
  try {
    const { kind } = await snapshots.stat(name);
    if (kind === 'committed') return true;
    throw new ShaleError('conflict', `the snapshot ${name} is no layer, but has the name of one`, {
      detail: { key: name, kind },
      hint: 'remove it',
    });
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
