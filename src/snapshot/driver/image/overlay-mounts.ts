import type { Mount } from '../../mount.ts';
import { escapePath } from '../../overlay-options.ts';

/** As the driver overlayfs has them, and for the same reasons. */
const overlayOptions = ['index=off', 'redirect_dir=nofollow', 'metacopy=off'];

/** Where an overlay writes. */
export interface OverlayUpper {
  readonly upper: string;
  readonly work: string;
}

/** Lower directories, nearest first, to be read. `empty` is a directory that shows what has none. */
export function readOnlyMounts(directories: readonly string[], empty: string): readonly Mount[] {
  if (directories.length < 2) {
    return [{ type: 'bind', source: directories[0] ?? empty, options: ['ro', 'rbind'] }];
  }
  const options = [...overlayOptions, 'ro', formatLowers(directories, empty)];
  return [{ type: 'overlay', source: 'overlay', options }];
}

/** The same to be written to: an overlay also over nothing, so that what is deleted leaves whiteouts. */
export function writableMounts(
  { upper, work }: OverlayUpper,
  directories: readonly string[],
  empty: string,
): readonly Mount[] {
  const own = [`workdir=${escapePath(work)}`, `upperdir=${escapePath(upper)}`];
  const options = [...overlayOptions, ...own, formatLowers(directories, empty)];
  return [{ type: 'overlay', source: 'overlay', options }];
}

function formatLowers(directories: readonly string[], empty: string): string {
  const all = directories.length > 0 ? directories : [empty];
  return `lowerdir=${all.map(escapePath).join(':')}`;
}
