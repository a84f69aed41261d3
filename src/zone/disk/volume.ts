import { DiskError } from './error.ts';

/** A disk or directory that a zone sees besides its image. */
export interface Volume {
  readonly source: VolumeSource;
  /** Where in the zone: absolute, without `.`, `..` and doubled slashes, not the root. */
  readonly target: string;
  readonly readOnly: boolean;
  /** `:rw` was said: then what can only be read will not do. */
  readonly mustWrite: boolean;
}

export type VolumeSource =
  /** One that the cache keeps, made when it is first used. */
  | { readonly kind: 'named'; readonly name: string }
  /** A file with a filesystem in it, or a directory of which one is made: which of them it is shows when it is used. */
  | { readonly kind: 'path'; readonly path: string };

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/**
 * Reads `NAME:PATH[:ro|:rw]` or `FILE:PATH[:ro|:rw]`. What has a slash is a file; a name has none. The path in the
 * zone begins behind the last `:/`, so a file's name may hold colons. DiskError `invalid`.
 */
export function parseVolume(text: string): Volume {
  const fault = (why: string) =>
    new DiskError('invalid', `${JSON.stringify(text.slice(0, 200))} is no volume: ${why}`, {
      hint: 'volumes look like data:/var/lib/data, ./disk.img:/mnt or /srv/files:/files:ro',
    });
  if (text.includes('\0')) throw fault('there is a NUL in it');
  const option = /:(ro|rw)$/.exec(text)?.[1];
  const rest = option === undefined ? text : text.slice(0, -option.length - 1);
  const at = rest.lastIndexOf(':/');
  if (at < 0) throw fault('it names no absolute path in the zone');
  const source = rest.slice(0, at);
  const target = normaliseTarget(rest.slice(at + 1));
  if (target === undefined) throw fault('its path in the zone is /, or has .. or a colon in it');
  if (source === '') throw fault('it names nothing that is to be there');
  return {
    source: parseSource(source, fault),
    target,
    readOnly: option === 'ro',
    mustWrite: option === 'rw',
  };
}

function parseSource(text: string, fault: (why: string) => DiskError): VolumeSource {
  if (text.includes('/') || text === '.' || text === '..') return { kind: 'path', path: text };
  if (!isVolumeName(text))
    throw fault('a name has letters, digits and . _ - only; a file needs a slash: ./NAME');
  return { kind: 'named', name: text };
}

/** Whether this can be the name of a volume: it is then also a file's name, and no option. */
export function isVolumeName(text: string): boolean {
  return namePattern.test(text);
}

function normaliseTarget(path: string): string | undefined {
  const names = path.split('/').filter(name => name !== '' && name !== '.');
  const isPlace = names.length > 0 && !names.includes('..') && !path.includes(':');
  return isPlace ? `/${names.join('/')}` : undefined;
}
