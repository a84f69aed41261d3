import { writeFileSync } from 'node:fs';
import type { Warnings } from '../../error/index.ts';
import type { Digest } from '../../oci/index.ts';
import { projectLayer } from '../../overlay/index.ts';
import type { ReadLayer } from '../../render/index.ts';
import type { LayerKeep } from '../../render/read-layers.ts';
import {
  blockBytes,
  firstContent,
  type LayerContents,
  locateContents,
  planMergedImage,
  writeLayerImage,
} from '../../stack/index.ts';
import type { ArtifactKey } from '../../store/index.ts';
import { shaleVersion } from '../version.ts';

/** The xattrs that steer OverlayFS: EROFS is mounted by root, and root's overlays read these. */
export const overlayXattrs = 'trusted';

/** How layers are kept, each in a file that all images share. */
export interface LayerForm {
  /** Of the artifact in the cache. */
  readonly format: string;
  /** How the file's name ends, without a dot. */
  readonly extension: string;
  /** What the cache knows the file by. */
  key(diffId: Digest): ArtifactKey;
  /** What the thread that reads the layer does with it, for a file at this path. */
  keep(path: string): LayerKeep;
  /** Completes the file; returns its size in bytes. */
  finish(path: string, diffId: Digest, read: ReadLayer, warnings: Warnings): number;
  /** Where contents lie in the file. */
  locate(read: ReadLayer): LayerContents;
  planMerged: typeof planMergedImage;
}

/** A filesystem of each layer. */
export const erofsForm: LayerForm = {
  format: 'erofs-layer',
  extension: 'erofs',
  key: diffId => ({
    diffId,
    format: 'erofs-layer',
    options: { blockBytes, xattrs: overlayXattrs },
    versions: { shale: shaleVersion() },
  }),
  keep(path) {
    writeFileSync(path, '');
    return { extract: { path, start: firstContent, blockBytes } };
  },
  finish(path, diffId, { entries }, warnings) {
    // As if it were alone: what the file says must not depend on where in the image the layer is.
    const tree = projectLayer(entries, { layer: 0, xattrs: overlayXattrs });
    return writeLayerImage({ path, diffId, entries, tree, warnings });
  },
  locate: ({ entries }) => locateContents(entries),
  planMerged: planMergedImage,
};
