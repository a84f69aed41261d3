import { OciError } from './error.ts';
import type { JsonView } from './json.ts';

/** What an image runs on, in Go's names: always normalised, so that equal platforms have equal fields. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Of the CPU: v7 of arm, v8 of arm64, v3 of amd64; absent for the others and for amd64's baseline. */
  readonly variant: string | undefined;
  /** Windows builds; absent elsewhere. */
  readonly osVersion: string | undefined;
}

const architectures: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  i386: ['386'],
  i486: ['386'],
  i586: ['386'],
  i686: ['386'],
  x86: ['386'],
  ia32: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  armv5l: ['arm', 'v5'],
  armv6l: ['arm', 'v6'],
  armv7l: ['arm', 'v7'],
  powerpc64le: ['ppc64le'],
  loongarch64: ['loong64'],
  mipsel: ['mipsle'],
};

/** One name for each platform: `x86_64` is amd64, arm64 without a variant is v8, arm without one is v7. Never fails. */
export function normalizePlatform(parts: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
}): Platform {
  const given = parts.architecture.toLowerCase();
  const [architecture, implied] = Object.hasOwn(architectures, given) ? architectures[given]! : [given];
  const os = parts.os.toLowerCase() === 'macos' ? 'darwin' : parts.os.toLowerCase();
  const variant = (parts.variant || implied)?.toLowerCase();
  return {
    os,
    architecture,
    variant: normalizeVariant(architecture, variant),
    osVersion: parts.osVersion || undefined,
  };
}

function normalizeVariant(architecture: string, variant: string | undefined): string | undefined {
  if (variant !== undefined && /^\d/.test(variant)) variant = `v${variant}`;
  if (architecture === 'arm64')
    return variant === 'v8.0' ? 'v8' : variant === 'v9.0' ? 'v9' : (variant ?? 'v8');
  if (architecture === 'arm') return variant ?? 'v7';
  if (architecture === 'amd64' && variant === 'v1') return undefined;
  return variant;
}

/** `os/architecture[/variant]`, or an architecture alone, for linux. Anything else: OciError `invalid`. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every(part => /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(part))) {
    throw new OciError('invalid', `invalid platform ${JSON.stringify(text)}`, {
      hint: 'platforms look like linux/amd64 or linux/arm64/v8',
    });
  }
  const [os = '', architecture, variant] = parts;
  if (architecture === undefined) return normalizePlatform({ os: 'linux', architecture: os });
  return normalizePlatform({ os, architecture, variant });
}

/** What `parsePlatform` reads back; the variant is left out where it is the architecture's usual one. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  const usual = architecture === 'arm64' && variant === 'v8';
  return variant === undefined || usual ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * The platform whose images suit a machine where Node says `process.arch`. The system is linux everywhere: that is
 * what Shale's root filesystems hold, whatever it runs on itself.
 */
export function hostPlatform(architecture: string): Platform {
  return normalizePlatform({
    os: 'linux',
    // Node has been built for big-endian POWER under this name too, but not since version 10.
    architecture: architecture === 'ppc64' ? 'ppc64le' : architecture,
  });
}

/** The `platform` of a descriptor, or the fields of the same names in a config; `undefined` if they are empty. */
export function readPlatform(view: JsonView): Platform | undefined {
  const os = view.optionalString('os');
  const architecture = view.optionalString('architecture');
  if (!os || !architecture) return undefined;
  return normalizePlatform({
    os,
    architecture,
    variant: view.optionalString('variant'),
    osVersion: view.optionalString('os.version'),
  });
}
