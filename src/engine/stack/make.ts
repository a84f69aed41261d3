import { createHash } from 'node:crypto';
import { merge } from '../../merge/index.ts';
import type { Digest } from '../../oci/index.ts';
import { overlayPlan } from '../../overlay/index.ts';
import type { ReadLayer } from '../../render/index.ts';
import { writeHeadImage } from '../../stack/index.ts';
import type { Store, StoredArtifact } from '../../store/index.ts';
import type { ImageOptions } from '../options.ts';
import type { OpenedImage } from '../source.ts';
import { shaleVersion } from '../version.ts';
import { erofsForm, overlayXattrs } from './layer-form.ts';
import type { StackForm } from './request.ts';
import { StackWork } from './work.ts';

/** Of a layer: its image, or its tar, or the index of it as the image and the tar. */
export interface LayerFiles {
  readonly image?: StoredArtifact;
  readonly tar?: StoredArtifact;
}

/** A stack whose files are in the cache. */
export interface MadeStack {
  /** Of the image's layers, oldest first. */
  readonly files: readonly LayerFiles[];
  readonly overlay?: {
    readonly head: StoredArtifact;
    /** Positions of the layers that are lower directories under it, oldest first. */
    readonly stacked: readonly number[];
  };
  readonly merged?: { readonly image: StoredArtifact; readonly devices: readonly Digest[] };
  readonly read: readonly ReadLayer[];
  readonly inodes: number;
  /** Files that were made now; the others were in the cache. */
  readonly made: number;
}

/** Makes what the cache does not have of a stack: layers in parallel, straight from where they come. */
export async function makeStack(
  opened: OpenedImage,
  store: Store,
  wanted: StackForm,
  options: Pick<ImageOptions, 'jobs' | 'memory' | 'onProgress'>,
): Promise<MadeStack> {
  const { image, warnings, limits, created } = opened;
  using work = new StackWork(opened, store);
  const form = erofsForm;
  const { files, read } = await work.layers(form, options);
  const tree = merge(read, { created, warnings, limits });
  options.onProgress?.({ type: 'finish' });
  const key = (format: string) => ({
    manifest: image.manifestDigest ?? image.configDigest,
    ...{ format, options: { layers: form.format, xattrs: overlayXattrs } },
    versions: { shale: shaleVersion() },
  });
  const identity = identityOf(image.layers);
  const makeHead = async () => {
    const { stacked, head, headContents: contents } = overlayPlan(read, tree, { xattrs: overlayXattrs });
    const located = new Map(contents.map(({ layer }) => [layer, form.locate(read[layer]!)]));
    const find = ({ layer, entry }: { layer: number; entry: number }) => {
      const file = read[layer]!.entries[entry]!;
      if (file.type !== 'file') throw new TypeError(`record ${entry} of layer ${layer} is no file`);
      return { path: files[layer]!.path, file, data: located.get(layer)!.data[entry]! };
    };
    const write = (path: string) => writeHeadImage({ path, tree: head, contents, find, identity, warnings });
    return { head: await work.file(key('erofs-head'), 'erofs', write), stacked };
  };
  const makeMerged = async () => {
    const layers = image.layers.map(({ diffId }, layer) => ({ diffId, entries: read[layer]!.entries }));
    const merged = form.planMerged(layers, tree);
    const write = (path: string) => merged.write({ path, identity, warnings });
    return { image: await work.file(key('erofs-merged'), 'erofs', write), devices: merged.devices };
  };
  const overlay = wanted.overlay ? await makeHead() : undefined;
  const merged = wanted.merged ? await makeMerged() : undefined;
  return {
    ...{ files: files.map(image => ({ image })), read, inodes: tree.nodes.length, made: work.made },
    ...(overlay !== undefined && { overlay }),
    ...(merged !== undefined && { merged }),
  };
}

/** What stands for all contents of an image: goes into the UUID of what is made of them. */
function identityOf(layers: readonly { readonly diffId: Digest }[]): Uint8Array {
  const hash = createHash('sha256');
  for (const { diffId } of layers) hash.update(`${diffId}\n`);
  return hash.digest();
}
