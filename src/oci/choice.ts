import { OciError } from './error.ts';
import { formatPlatform, type Platform } from './platform.ts';

/** Arm's 32-bit variants, newest first: each runs what stands behind it. */
const arm = ['v8', 'v7', 'v6', 'v5'];

/**
 * How well an image for `candidate` suits a machine `wanted`: 0 is exact, more is further down the variants that
 * the machine runs as well; `undefined` if it does not run there.
 */
export function platformDistance(candidate: Platform, wanted: Platform): number | undefined {
  if (candidate.os !== wanted.os || candidate.architecture !== wanted.architecture) return undefined;
  if (wanted.osVersion !== undefined && candidate.osVersion !== wanted.osVersion) return undefined;
  const distance = runnable(wanted).indexOf(candidate.variant);
  return distance === -1 ? undefined : distance;
}

/** The variants that `platform` runs, best first. */
function runnable({ architecture, variant }: Platform): (string | undefined)[] {
  if (architecture === 'arm' && variant !== undefined && arm.includes(variant)) {
    return arm.slice(arm.indexOf(variant));
  }
  const number = /^v(\d)(?:\.(\d))?$/.exec(variant ?? '');
  if (number === null) return [variant];
  const [major, minor] = [Number(number[1]), Number(number[2] ?? 0)];
  const variants: (string | undefined)[] = [];
  if (architecture === 'amd64') {
    for (let level = major; level > 1; level--) variants.push(`v${level}`);
    return [...variants, undefined];
  }
  if (architecture !== 'arm64' || major < 8) return [variant];
  // Armv9.n holds all of Armv8.(n + 5) (Arm Architecture Reference Manual, "Armv9 architecture extensions").
  const add = (version: number, from: number) => {
    for (let step = from; step > 0; step--) variants.push(`v${version}.${step}`);
    variants.push(`v${version}`);
  };
  if (major === 9) add(9, minor);
  add(8, major === 9 ? Math.min(minor + 5, 9) : minor);
  return variants;
}

/** True of what builders use for attestations and other entries that are no image. */
export function isNoPlatform(platform: Platform): boolean {
  return platform.os === 'unknown' || platform.architecture === 'unknown';
}

/**
 * The candidate that suits `wanted` best; the first of equals. Candidates that are `unknown/unknown` are never
 * chosen. None fits: OciError `not-found` that lists what there is; `where` names the image in it.
 */
export function choosePlatform<T extends { readonly platform: Platform | undefined }>(
  candidates: readonly T[],
  wanted: Platform,
  where = 'the image',
): T {
  let best: T | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate.platform === undefined || isNoPlatform(candidate.platform)) continue;
    const distance = platformDistance(candidate.platform, wanted);
    if (distance === undefined || distance >= bestDistance) continue;
    [best, bestDistance] = [candidate, distance];
  }
  if (best !== undefined) return best;
  const there = [
    ...new Set(
      candidates.flatMap(({ platform }) =>
        platform === undefined || isNoPlatform(platform) ? [] : [formatPlatform(platform)],
      ),
    ),
  ];
  const list = there.length === 0 ? 'no platform at all' : there.join(', ');
  throw new OciError('not-found', `${where} has nothing for ${formatPlatform(wanted)}, only for ${list}`, {
    detail: { wanted: formatPlatform(wanted), platforms: there },
    ...(there.length === 0 ? {} : { hint: 'ask for one of these with --platform' }),
  });
}
