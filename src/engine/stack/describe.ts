import type { Image } from '../../archive/index.ts';
import { formatPlatform } from '../../oci/index.ts';
import { layerName } from '../../stack/index.ts';
import type { MadeStack } from './make.ts';
import { describeFile, type StackManifest, stackMediaType } from './manifest.ts';
import type { PlacedFile } from './place.ts';

/** What a stack's directory holds, and what its manifest says of it. */
export function describeStack(
  { layers, platform, manifestDigest, configDigest }: Image,
  { files, overlay, merged }: MadeStack,
): { readonly manifest: StackManifest; readonly files: readonly PlacedFile[] } {
  const placed = new Map<string, PlacedFile>();
  const place = (file: string, artifact: PlacedFile['artifact']) => {
    placed.set(file, { file, artifact });
    return describeFile(file, artifact);
  };
  const names = layers.map(({ diffId }) => `layers/${layerName(diffId)}`);
  const described = layers.map(({ diffId }, layer) => {
    const { image, tar } = files[layer]!;
    return {
      diffId,
      ...(image !== undefined && { image: place(`${names[layer]}.erofs`, image) }),
      ...(tar !== undefined && { tar: place(`${names[layer]}.tar`, tar) }),
    };
  });
  const manifest: StackManifest = {
    schemaVersion: 1,
    mediaType: stackMediaType,
    image: {
      ...(manifestDigest !== undefined && { manifest: manifestDigest }),
      ...{ config: configDigest, platform: formatPlatform(platform) },
    },
    layers: described,
    ...(overlay !== undefined && {
      overlay: {
        head: place('head.erofs', overlay.head),
        lowers: [
          { file: 'head.erofs' },
          ...overlay.stacked.toReversed().map(layer => {
            const { image, tar } = described[layer]!;
            return { file: image!.file, ...(tar !== undefined && { device: tar.file }) };
          }),
        ],
      },
    }),
    ...(merged !== undefined && {
      merged: {
        image: place('merged.erofs', merged.image),
        devices: merged.devices.map(layer => (described[layer]!.tar ?? described[layer]!.image)!.file),
      },
    }),
  };
  return { manifest, files: [...placed.values()] };
}
