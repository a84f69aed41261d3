import { warnOfXattrs } from '../../erofs/xattr-writer.ts';
import type { LayerFile } from '../../layer/index.ts';
import { type Content, merge } from '../../merge/index.ts';
import { type OverlayPlan, stackPlan } from '../../overlay/index.ts';
import type { ReadLayer } from '../../render/index.ts';
import { findUsedLayers, writeHeadImage } from '../../stack/index.ts';
import type { Store, StoredArtifact } from '../../store/index.ts';
import type { Tree } from '../../tree/index.ts';
import { imageIdentity } from '../image-identity.ts';
import type { ImageOptions } from '../options.ts';
import type { OpenedImage } from '../source.ts';
import { shaleVersion } from '../version.ts';
import {
  erofsForm,
  type KeptLayer,
  type LayerFiles,
  type LayerForm,
  overlayXattrs,
  tarForm,
} from './layer-form.ts';
import type { StackForm } from './request.ts';
import { StackWork } from './work.ts';

/** A stack whose files are in the cache. */
export interface MadeStack {
  /** Of the image's layers, oldest first. */
  readonly files: readonly LayerFiles[];
  readonly overlay?: {
    readonly head: StoredArtifact;
    /** Positions of the layers that are lower directories under it, oldest first. */
    readonly stacked: readonly number[];
  };
  /** `devices`: positions of the layers whose files are its extra devices, in their order. */
  readonly merged?: { readonly image: StoredArtifact; readonly devices: readonly number[] };
  readonly read: readonly ReadLayer[];
  readonly inodes: number;
  /** Files that were made now; the others were in the cache. */
  readonly made: number;
}

/** Makes what the cache does not have of a stack: layers in parallel, straight from where they come. The caller has a lease (`leaseStack`). */
export async function makeStack(
  opened: OpenedImage,
  store: Store,
  wanted: StackForm,
  options: Pick<ImageOptions, 'jobs' | 'memory' | 'onProgress'>,
): Promise<MadeStack> {
  const { image, warnings, limits, created } = opened;
  const form = wanted.tarIndex ? tarForm : erofsForm;
  await using work = new StackWork(opened, store, wanted);
  const { read, files: stored } = await work.layers(form, options);
  stored.catch(() => {}); // It may fail while the layers are merged.
  const tree = merge(read, { created, warnings, limits });
  // Once for the image, whichever of its files are there already: none of them tells.
  warnOfXattrs(tree.nodes, warnings);
  options.onProgress?.({ type: 'finish' });
  const plan = wanted.overlay ? planOverlay(work, opened, read, tree) : undefined;
  const files = await stored;
  const layers = image.layers.map(({ diffId }, layer) => ({
    ...{ diffId, path: files[layer]!.path, read: read[layer]! },
    projection: () => work.projection(layer, read[layer]!),
  }));
  const identity = imageIdentity(image.layers);
  const key = (format: string) => ({
    ...{ manifest: image.manifestDigest ?? image.configDigest, format },
    ...{ options: { layers: form.extension, xattrs: overlayXattrs }, versions: { shale: shaleVersion() } },
  });
  const makeHead = async (plan: OverlayPlan) => {
    const { stacked, head, headContents: contents } = plan;
    const find = createFinder(form, layers, contents);
    const write = async (path: string) => {
      for (const layer of new Set(contents.map(content => content.layer))) await work.check(files[layer]!);
      return writeHeadImage({ path, tree: head, contents, find, identity, warnings: work.untold });
    };
    return { head: await work.file(key('stack-head'), 'erofs', write), stacked };
  };
  const makeMerged = async () => {
    const write = (path: string) => form.writeMerged({ path, layers, tree, identity, warnings: work.untold });
    const made = await work.file(key('stack-merged'), 'erofs', write);
    return { image: made, devices: findUsedLayers(tree, layers.length) };
  };
  return {
    ...{ read, inodes: tree.nodes.length },
    files: await work.indexes(form, layers, files),
    ...(plan !== undefined && { overlay: await makeHead(plan) }),
    ...(wanted.merged && { merged: await makeMerged() }),
    made: work.made,
  };
}

function planOverlay(
  work: StackWork,
  { image }: OpenedImage,
  read: readonly ReadLayer[],
  tree: Tree<Content>,
): OverlayPlan {
  const trees = read.map((layer, position) => work.projection(position, layer));
  const names = image.layers.map(({ diffId }) => diffId);
  return stackPlan(trees, tree, { xattrs: overlayXattrs, names });
}

/** Finds what the head must carry in the layers' files. */
function createFinder(form: LayerForm, layers: readonly KeptLayer[], contents: readonly Content[]) {
  const located = new Map(contents.map(({ layer }) => [layer, form.locate(layers[layer]!.read)]));
  return ({ layer, entry }: Content) => {
    const { path, read } = layers[layer]!;
    const file = read.entries[entry] as LayerFile;
    return { path, file, pieces: located.get(layer)!(file, entry) };
  };
}
