import type { ByteString } from '../../tree/index.ts';
import type { Found, View } from './view.ts';

/** As Linux has it: the forty-first link is one too many. */
export const maximumLinks = 40;

/** What a walk does where it cannot simply go on. */
export interface Course {
  /** The name is missing, or is neither a directory nor a symlink: true once the view was moved to where it goes on. */
  obstacle(view: View, name: ByteString, found: Found | undefined): boolean;
  /** Whether a symlink is followed; where it is not, the walk ends. */
  follows(view: View, name: ByteString): boolean;
}

/** `end`: the course ended it. `links`, `depth`: more symlinks, or more directories above one another, than allowed. */
export type WalkEnd = 'arrived' | 'end' | 'links' | 'depth';

/** For looking only: whatever is missing ends the walk. */
export const look: Course = { obstacle: () => false, follows: () => true };

/**
 * Moves the view to the directory at `path`, through symlinks, as chroot would: an absolute target begins at the root, and
 * `..` never leaves it. The kernel follows none of them.
 */
export function walk(view: View, path: ByteString, course: Course, mostDepth: number): WalkEnd {
  let names = path === '' ? [] : path.split('/');
  view.ascendTowards(names);
  let links = 0;
  for (let at = view.depth; at < names.length; at += 1) {
    const name = names[at]!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      view.ascend(Math.max(view.depth - 1, 0));
      continue;
    }
    const found = view.lookup(name);
    if (found?.type === 'symlink') {
      if (!course.follows(view, name)) return 'end';
      links += 1;
      if (links > maximumLinks) return 'links';
      const target = view.readLink(name, found);
      if (target.startsWith('/')) view.ascend(0);
      names = [...target.split('/'), ...names.slice(at + 1)];
      at = -1;
      continue;
    }
    if (found?.type === 'directory') {
      if (view.depth >= mostDepth) return 'depth';
      view.enter(name, found);
    } else if (!course.obstacle(view, name, found)) return 'end';
    if (view.depth > mostDepth) return 'depth';
  }
  return 'arrived';
}

/** The same without symlinks, for a place that a walk has reached before; false if it is not there any more. */
export function goTo(view: View, names: readonly ByteString[]): boolean {
  view.ascendTowards(names);
  for (const name of names.slice(view.depth)) {
    const found = view.lookup(name);
    if (found?.type === 'directory') view.enter(name, found);
    else if (found === undefined && view.isUnknown(name)) view.enterUnknown(name);
    else return false;
  }
  return true;
}
