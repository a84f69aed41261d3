import { writeFileSync } from 'node:fs';
import type { Warnings } from '../../error/index.ts';
import type { LayerFile } from '../../layer/index.ts';
import type { Content } from '../../merge/index.ts';
import { type Digest, digestAlgorithm } from '../../oci/index.ts';
import type { ReadLayer } from '../../render/index.ts';
import type { LayerKeep } from '../../render/read-layers.ts';
import {
  blockBytes,
  firstContent,
  LayerContents,
  type Piece,
  piecesInImage,
  piecesInTar,
  writeLayerImage,
  writeLayerTarIndex,
  writeMergedImage,
  writeMergedTarIndex,
} from '../../stack/index.ts';
import type { ArtifactKey, StoredArtifact } from '../../store/index.ts';
import type { Tree } from '../../tree/index.ts';
import { shaleVersion } from '../version.ts';

/** The xattrs that steer OverlayFS: EROFS is mounted by root, and root's overlays read these. */
export const overlayXattrs = 'trusted';

/** A layer, read, and the file that holds it. */
export interface KeptLayer {
  readonly diffId: Digest;
  readonly path: string;
  readonly read: ReadLayer;
  /** The layer as OverlayFS sees it. */
  readonly projection: () => Tree<Content>;
}

/** Of a layer: its image; or its tar, and the index of it as the image if it is mounted alone. */
export interface LayerFiles {
  readonly image?: StoredArtifact;
  readonly tar?: StoredArtifact;
}

/** What an image over all layers is made of. */
export interface MergedRequest {
  readonly path: string;
  readonly layers: readonly KeptLayer[];
  readonly tree: Tree<Content>;
  readonly identity: Uint8Array;
  readonly warnings: Warnings;
}

/** How layers are kept, each in a file that all images share. */
export interface LayerForm {
  /** How the file's name ends, without a dot. */
  readonly extension: string;
  /** What the cache knows the file by. */
  key(diffId: Digest): ArtifactKey;
  /** What the thread that reads the layer does with it, for a file at this path. */
  keep(path: string): LayerKeep;
  /** Bytes at the file's front that `finish` writes. */
  readonly head: number;
  /** Completes the file; returns its size in bytes. */
  finish(layer: KeptLayer, warnings: Warnings): number;
  /** The file's sha256, where it is known without reading the file. */
  digest?(layer: KeptLayer): Digest | undefined;
  /** An index of the file, if that is no filesystem itself: its key, and what writes it and returns its size. */
  readonly index?: {
    key(diffId: Digest): ArtifactKey;
    write(path: string, layer: KeptLayer, warnings: Warnings): number;
  };
  /** For some files of a layer: where in the layer's file they lie. */
  locate(read: ReadLayer): (file: LayerFile, entry: number) => Iterable<Piece>;
  /** Writes a filesystem over all layers; returns its size in bytes. */
  writeMerged(request: MergedRequest): number;
}

const versions = () => ({ shale: shaleVersion() });

/** A filesystem of each layer. */
export const erofsForm: LayerForm = {
  extension: 'erofs',
  key: diffId => ({
    ...{ diffId, format: 'erofs-layer', versions: versions() },
    options: { blockBytes, xattrs: overlayXattrs },
  }),
  keep(path) {
    writeFileSync(path, '');
    return { extract: { path, start: firstContent, blockBytes } };
  },
  head: firstContent,
  finish({ path, diffId, read, projection }, warnings) {
    return writeLayerImage({ path, diffId, entries: read.entries, tree: projection(), warnings });
  },
  locate({ entries }) {
    const contents = new LayerContents(entries);
    return (file, entry) => piecesInImage(file, contents.of(entry));
  },
  writeMerged({ layers, ...request }) {
    const merged = layers.map(({ diffId, read }) => ({ diffId, entries: read.entries }));
    return writeMergedImage({ ...request, layers: merged });
  },
};

/** With the blocks of dm-verity, so that the tar has a root hash. */
const tarPadding = 4096;

const tarLayer = ({ diffId, path, read }: KeptLayer) => ({
  ...{ diffId, tar: path, entries: read.entries, size: read.size },
});

/** The tar of each layer, and an index. */
export const tarForm: LayerForm = {
  extension: 'tar',
  key: diffId => ({ diffId, format: 'layer-tar', versions: {}, options: { padding: tarPadding } }),
  keep(path) {
    writeFileSync(path, '');
    return { tee: { path, blockBytes: tarPadding } };
  },
  head: 0,
  finish: ({ read }) => Math.ceil(read.size / tarPadding) * tarPadding,
  // The cache knows files by their sha256.
  digest: ({ read: { teeDigest } }) =>
    teeDigest !== undefined && digestAlgorithm(teeDigest) === 'sha256' ? teeDigest : undefined,
  index: {
    key: diffId => ({
      ...{ diffId, format: 'layer-tar-index', versions: versions() },
      options: { xattrs: overlayXattrs },
    }),
    write: (path, layer, warnings) =>
      writeLayerTarIndex({ path, layer: tarLayer(layer), tree: layer.projection(), warnings }).size,
  },
  locate: () => file => piecesInTar(file),
  writeMerged: ({ layers, ...request }) =>
    writeMergedTarIndex({ ...request, layers: layers.map(tarLayer) }).size,
};
