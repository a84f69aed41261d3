import { mkdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import type { Mount } from '../../snapshot/index.ts';

/** Where what is written goes, if not into the snapshot's own place. Sizes in bytes. */
export type UpperChoice =
  | { readonly kind: 'tmpfs' }
  | { readonly kind: 'disk'; readonly size: number }
  | { readonly kind: 'directory'; readonly path: string };

/** What a label says of it, so that another process finds it again. */
export function formatUpper(upper: UpperChoice): string {
  if (upper.kind === 'tmpfs') return 'tmpfs';
  return upper.kind === 'disk' ? `disk:${upper.size}` : `directory:${resolve(upper.path)}`;
}

export function parseUpperLabel(text: string): UpperChoice {
  if (text === 'tmpfs') return { kind: 'tmpfs' };
  const [, kind, rest] = /^(disk|directory):(.*)$/s.exec(text) ?? [];
  if (kind === 'disk') return { kind, size: Number(rest) };
  return { kind: 'directory', path: rest ?? '' };
}

/** The two directories that OverlayFS wants, side by side on one filesystem. */
export interface UpperPlace {
  readonly upper: string;
  readonly work: string;
}

/** Makes them in a directory, or finds them there: what was written into it before is there again. ShaleError `not-found`, `invalid`. */
export function openUpperPlace(path: string): UpperPlace {
  const directory = isAbsolute(path) ? path : resolve(path);
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) {
    throw new ShaleError(
      stat === undefined ? 'not-found' : 'invalid',
      `${directory} is no directory, to be written to`,
      {
        detail: { path: directory },
        hint: `mkdir ${directory}`,
      },
    );
  }
  const place = { upper: join(directory, 'upper'), work: join(directory, 'work') };
  mkdirSync(place.upper, { recursive: true, mode: 0o755 });
  mkdirSync(place.work, { recursive: true, mode: 0o711 });
  return place;
}

/**
 * The mounts of a view with a writable directory on top. A view is one directory, bound, or an overlay of several. ShaleError `unsupported` for others:
 * they are filesystems of their own, and no lower directories.
 */
export function addUpper(
  view: readonly Mount[],
  { upper, work }: UpperPlace,
  options: readonly string[],
): Mount {
  const [mount, ...others] = view;
  const lower =
    mount?.type === 'bind'
      ? `lowerdir=${escapePath(mount.source)}`
      : mount?.options.find(option => option.startsWith('lowerdir='));
  if (others.length > 0 || mount === undefined || lower === undefined) {
    throw new ShaleError(
      'unsupported',
      'the snapshots of this driver are filesystems of their own, and have no upper directory elsewhere',
      {
        hint: 'leave out --upper, or use --driver overlayfs',
      },
    );
  }
  const kept = mount.options.filter(option => option !== 'ro' && option !== 'rbind' && option !== lower);
  const places = [`workdir=${escapePath(work)}`, `upperdir=${escapePath(upper)}`];
  return {
    type: mount.type === 'bind' ? 'overlay' : mount.type,
    source: 'overlay',
    options: [...(kept.length > 0 ? kept : options), ...places, lower],
  };
}

function escapePath(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}
