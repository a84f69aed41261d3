import { ShaleError } from '../../error/index.ts';
import { type ByteString, printable } from '../../tree/index.ts';
import type { View } from './view.ts';

/** As many as Linux follows, and as the merge does. */
const mostLinks = 40;

export interface Resolved<H> {
  readonly handle: H;
  /** Without a symlink among its parents, and without a leading slash; '' is the root. */
  readonly path: ByteString;
}

/**
 * Finds a path as a process in a chroot would: parents through symlinks, absolute ones from the root, `..` never above it.
 * The last name is followed if `follow` says so, or if a slash stands behind it. `not-found`; `invalid` when a parent is
 * no directory or links go round in circles.
 */
export function resolve<H>(view: View<H>, path: ByteString, follow: boolean): Resolved<H> {
  const trail: { readonly handle: H; readonly name: ByteString }[] = [{ handle: view.root, name: '' }];
  // The names still to come, the next one last.
  const steps = path.split('/').reverse();
  let links = 0;
  const fail = (code: 'not-found' | 'invalid', why: string): never => {
    throw new ShaleError(code, `/${printable(path.replace(/^\/+/, ''))}: ${why}`, {
      detail: { path: printable(path) },
    });
  };
  for (let name = steps.pop(); name !== undefined; name = steps.pop()) {
    const { handle } = trail.at(-1)!;
    const { type } = view.describe(handle);
    if (type !== 'directory') fail('invalid', `/${printable(join(trail))} is a ${type}, not a directory`);
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const child = view.child(handle, name);
    if (child === undefined) {
      return fail('not-found', `there is no ${printable(name)} in /${printable(join(trail))}`);
    }
    const { target } = view.describe(child);
    if (target === undefined || (steps.length === 0 && !follow)) {
      trail.push({ handle: child, name });
      continue;
    }
    links += 1;
    if (links > mostLinks) fail('invalid', `more than ${mostLinks} symlinks on the way`);
    if (target.startsWith('/')) trail.length = 1;
    steps.push(...target.split('/').reverse());
  }
  return { handle: trail.at(-1)!.handle, path: join(trail) };
}

function join(trail: readonly { readonly name: ByteString }[]): ByteString {
  return trail
    .slice(1)
    .map(({ name }) => name)
    .join('/');
}
