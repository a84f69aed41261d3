/**
 * An image as one immutable file per layer.
 *
 *     layer ──ingest thread──► contents, each where `FileLayout` puts it ──writeLayerImage──► layer.erofs   (by diffID: shared)
 *     layers' indexes ──merge──► tree ──writeMergedImage──► merged.erofs: metadata alone, contents on devices
 *     layers' indexes ──overlayPlan──► head ──writeHeadImage──► head.erofs: what OverlayFS cannot say by layers alone
 *
 * Where a content lies in its layer's image is a function of the layer's index (`LayerContents`). So the merged image is
 * computed without any layer's image, before one is published, and nothing is changed afterwards: what vouches
 * for a file when it is published (digest, root hash) vouches for it for good.
 */
export type { StoredContent } from './content-copy.ts';
export { type HeadImageOptions, writeHeadImage } from './head-image.ts';
export {
  blockBytes,
  firstContent,
  LayerContents,
  type LayerImageOptions,
  writeLayerImage,
} from './layer-image.ts';
export { layerName } from './layer-name.ts';
export { type MergedImageOptions, type MergedLayer, writeMergedImage } from './merged-image.ts';
export { type Piece, piecesInImage, piecesInTar } from './pieces.ts';
export * from './tar-index/index.ts';
export { findUsedLayers } from './used-layers.ts';
