/**
 * What the drivers share that keep a layer as one immutable file, `ID/layer.erofs`: metadata and contents as OverlayFS wants them in a lower
 * directory (src/overlay), by our own writer (src/erofs).
 *
 *     upper directory ──readUpper──► tree ──writeTreeLayer──┐
 *     the same over a layer that is there ──foldLayers──────┼──► layer.new ──settle──► layer.erofs
 *     a layer's tar ──TarLayer──► contents in their places ─┘                             │
 *                        projectLayer, or what its parents make of it (resolveLayer)      ├─ mounted at ID/fs        (erofs)
 *                                                                                         └─ read, to make ID/flat.sqfs (squashfs)
 *
 * A layer that needs no knowledge of what is below it comes out with the very bytes of the cache's layer images (src/stack). Where
 * it needs that, its metadata is written by comparison with its parents, at the latest when it is committed: then they are known for good.
 *
 * Files appear by rename, after fsync. What a crash leaves is called `….new`, and is overwritten by the next try.
 */
export { buildOnce } from './build-once.ts';
export { readCommon } from './common-settings.ts';
export { FallbackLowers } from './fallback-lowers.ts';
export { ImageDriver } from './image-driver.ts';
export { type Backing, type ImageMount, ImageMounts } from './image-mounts.ts';
export type { ImageParts } from './image-parts.ts';
export { LayerPlaces } from './layer-places.ts';
export type { LowerDirectories } from './lower-directories.ts';
export { type LayerContent, type OpenLayer, openLayer } from './open-layer.ts';
export { probeImage, writeEmptyLayer } from './probe-image.ts';
export { stackLayers } from './stack-layers.ts';
export { StackedLowers } from './stacked-lowers.ts';
export { UpperDirectories } from './upper-directory.ts';
