/** How OverlayFS is mounted here, and what it therefore calls its own. */
export interface OverlayTerms {
  /** As root of a user namespace: no `trusted.*`, so neither `redirect_dir` nor `metacopy`. */
  readonly rootless: boolean;
  /** The temporary directory's filesystem bears no upper directory: a tmpfs lies over the scratch directory. */
  readonly tmpfs: boolean;
}

/** The namespace of OverlayFS's extended attributes. */
export function prefixOf({ rootless }: OverlayTerms): string {
  return rootless ? 'user.overlay' : 'trusted.overlay';
}

export const lowers = 'top:middle:base';

/** The command line that mounts, without the options that differ from step to step. */
export function mountLine(
  { rootless }: OverlayTerms,
  { suffix = '', features }: { readonly suffix?: string; readonly features?: string } = {},
): string {
  const writable = `lowerdir=${lowers},upperdir=upper${suffix},workdir=work${suffix}`;
  // With userxattr the kernel refuses to hear of either feature.
  const options = features ?? (rootless ? 'userxattr' : 'redirect_dir=off,metacopy=off');
  return `mount -t overlay overlay -o ${options},${writable} merged${suffix}`;
}
