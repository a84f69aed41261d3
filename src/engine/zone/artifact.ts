import { ShaleError } from '../../error/index.ts';
import { hostPlatform } from '../../host/index.ts';
import { type Digest, formatPlatform, type ImageConfig } from '../../oci/index.ts';
import type { StoredArtifact } from '../../store/index.ts';
import { artifactKey } from '../artifact.ts';
import type { WarningSummary } from '../options.ts';
import { modificationTime } from '../result.ts';
import { usualErofs } from '../usual-erofs.ts';
import { usualSquashfs } from '../usual-squashfs.ts';

/** An image as a zone needs it: a file for its disk, and what is to run. */
export interface ZoneArtifact {
  /** Of the manifest; of the config, where an archive has no manifest. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
  readonly artifact: StoredArtifact;
  /** Of the rendering, if there was one. */
  readonly warnings?: WarningSummary | undefined;
}

/** What an image is rendered to, as the disk of its zone. */
export const zoneFormats = ['squashfs', 'erofs'] as const;
export type ZoneFormat = (typeof zoneFormats)[number];

/** What the cache knows a zone's disk by. */
export function keyOf(manifest: Digest, { created }: ImageConfig, format: ZoneFormat) {
  const time = modificationTime(created ?? { seconds: 0, nanoseconds: 0 });
  // Every launch asks: what resolves any request is not loaded for it.
  const target =
    format === 'erofs'
      ? ({ format, ...usualErofs, level: undefined, identity: new Uint8Array(0) } as const)
      : ({ format, ...usualSquashfs, modificationTime: time } as const);
  return artifactKey(manifest, { ...target, path: 'artifact' })!;
}

/** Variants are left to the processor: an instruction that it lacks ends the program, not the zone. */
export function requireOurArchitecture(reference: string, { platform }: ImageConfig): void {
  const { architecture } = hostPlatform();
  if (platform === undefined || platform.architecture === architecture) return;
  throw new ShaleError(
    'unsupported',
    `${reference} is for ${formatPlatform(platform)}, and zones here run programs for ${architecture}`,
    { detail: { image: platform.architecture, host: architecture }, hint: 'choose another with --platform' },
  );
}
