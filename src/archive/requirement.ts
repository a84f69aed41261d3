import { formatPlatform, type Platform, platformDistance } from '../oci/index.ts';
import { ArchiveError } from './error.ts';

/** For images that do not say. */
export const unknownPlatform: Platform = {
  os: 'unknown',
  architecture: 'unknown',
  variant: undefined,
  osVersion: undefined,
};

/** The platform that was asked for, if one was, must be one that `actual` suits: ArchiveError `not-found`. */
export function requirePlatform(
  actual: Platform | undefined,
  wanted: Platform | undefined,
  where: string,
): void {
  if (wanted === undefined || actual === undefined || platformDistance(actual, wanted) !== undefined) return;
  const message = `${where} has nothing for ${formatPlatform(wanted)}, only for ${formatPlatform(actual)}`;
  throw new ArchiveError('not-found', message, {
    detail: { wanted: formatPlatform(wanted), platforms: [formatPlatform(actual)] },
    hint: `ask for --platform ${formatPlatform(actual)}, or leave --platform out`,
  });
}

/** The config must name one diffID for each layer: ArchiveError `invalid` otherwise. */
export function requireSameCount(layers: number, diffIds: number, where: string): void {
  if (layers === diffIds) return;
  throw new ArchiveError(
    'invalid',
    `${where}: the image has ${layers} layers, but its config names ${diffIds} diff_ids`,
    {
      detail: { layers, diffIds },
    },
  );
}
