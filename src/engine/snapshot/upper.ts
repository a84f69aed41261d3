import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ShaleError } from '../../error/index.ts';
import { compactOverlay, describeRootDirectory, escapePath, type Mount } from '../../snapshot/index.ts';

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

/** Where they are in a directory. */
export function upperPlace(directory: string): UpperPlace {
  return { upper: join(directory, 'upper'), work: join(directory, 'work') };
}

/**
 * Makes them in a directory, or finds them there: what was written into it before is there again. A new one has the metadata of `lower`, which it covers. A
 * directory that was empty becomes private: what is in the upper one has the setuid bits of the image. ShaleError `invalid` for one that has
 * other things in it, and is open to others.
 */
export function openUpperPlace(directory: string, lower: string | undefined): UpperPlace {
  const place = upperPlace(directory);
  if (!existsSync(place.upper)) {
    keepPrivate(directory);
    const draft = `${place.upper}.new`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft);
    describeRootDirectory(draft, lower);
    renameSync(draft, place.upper);
  }
  mkdirSync(place.work, { recursive: true, mode: 0o711 });
  return place;
}

function keepPrivate(directory: string): void {
  const { mode } = statSync(directory);
  if (mode % 0o100 === 0) return;
  const names = readdirSync(directory).filter(name => !['work', 'upper.new', 'lost+found'].includes(name));
  if (names.length === 0) chmodSync(directory, 0o700);
  else {
    throw new ShaleError(
      'invalid',
      `others can look into ${directory}, and could run what is written there with the privileges that it has`,
      { detail: { path: directory }, hint: `use an empty directory, or: chmod 700 ${directory}` },
    );
  }
}

/** The nearest lower directory of a view, whose metadata its root shows. */
export function findLower([mount]: readonly Mount[]): string | undefined {
  if (mount?.type === 'bind') return mount.source;
  return mount === undefined ? undefined : compactOverlay(mount.options).lowers[0];
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
  const isBind = mount.type === 'bind';
  // What another driver’s overlay takes is not what the kernel’s does.
  const kept = mount.options.filter(option => option !== 'ro' && option !== 'rbind' && option !== lower);
  const places = [`workdir=${escapePath(work)}`, `upperdir=${escapePath(upper)}`];
  return {
    type: isBind ? 'overlay' : mount.type,
    source: 'overlay',
    options: [...(isBind && kept.length === 0 ? options : kept), ...places, lower],
  };
}
