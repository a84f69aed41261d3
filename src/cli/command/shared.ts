import type { Operand } from './command.ts';

/** Flags and operands that several commands have. */
export const limits = [
  'max-size',
  'max-ratio',
  'max-entries',
  'max-path',
  'max-depth',
  'max-pax',
  'max-xattr',
  'max-sparse',
] as const;

export const registry = ['authfile', 'insecure-registry', 'cert-dir', 'retries'] as const;

/** Of whatever opens an image, wherever it is. */
export const sourcing = ['platform', 'policy', 'no-cache', 'root', ...registry] as const;

/** Of whatever reads layers. */
export const reading = ['jobs', 'memory', 'strict', 'progress', 'quiet', 'json', ...limits] as const;

/** Of whatever makes a squashfs. */
export const squashfs = ['compression', 'level', 'block-size', 'no-fragments', 'mtime'] as const;

/** Of whatever makes a stack: one file per layer. */
export const stack = ['layers', 'merged', 'tar-index'] as const;

/** Of whatever makes files that are to stay as they are. */
export const integrity = ['hash-tree', 'seal'] as const;

/** What --format may be where an artifact is a file or directory of the user's. */
export const artifactFormats = ['squashfs', 'erofs', 'tar', 'directory'] as const;

/** Of whatever has a result and little to wait for. */
export const brief = ['root', 'quiet', 'json'] as const;

export const source: Operand = {
  name: 'SOURCE',
  help:
    'the image: a name in a registry such as nginx or docker://ghcr.io/org/app:1.2, cache:NAME for what the cache has, ' +
    'oci:DIR[:TAG|@DIGEST], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]',
};
