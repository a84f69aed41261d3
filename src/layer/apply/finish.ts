import { chmodSync, lstatSync } from 'node:fs';
import { wrapErrno } from '../../error/index.ts';
import {
  type Descent,
  type Metadata,
  pathBytes,
  readXattrs,
  removeXattr,
  setModified,
  shown,
} from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import type { Marks } from '../mark/index.ts';
import type { Trace } from './trace.ts';

/** Not an image's: the kernel gives it, by its own rules. */
const kept = 'security.selinux';

/**
 * Gives the directories below `descent` what they are to have, now that nothing more comes into them, the innermost first.
 * The start itself is left out: see `finishDirectory`.
 */
export function finishDirectories(
  trace: Trace,
  descent: Descent,
  options: { readonly metadata: Metadata; readonly marks: Marks | undefined },
): void {
  const frames = [{ trace, names: childrenOf(trace) }];
  for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
    const next = top.names.pop();
    if (next !== undefined) {
      const [name, child] = next;
      if (child.leaf !== undefined) continue;
      if (child.finish === undefined && !child.children?.size) continue;
      descent.enter(name);
      frames.push({ trace: child, names: childrenOf(child) });
      continue;
    }
    frames.pop();
    if (frames.length === 0) return;
    finishDirectory(top.trace, descent, options);
    descent.leave();
  }
}

function childrenOf({ children }: Trace): [ByteString, Trace][] {
  return children === undefined ? [] : [...children];
}

/** Gives the directory where the descent is what it is to have. */
export function finishDirectory(
  { finish }: Trace,
  descent: Descent,
  { metadata, marks }: { readonly metadata: Metadata; readonly marks: Marks | undefined },
): void {
  if (finish === undefined) return;
  const at = descent.at('');
  const path: ByteString = descent.path;
  const stats = lstatSync(pathBytes(at));
  if (finish.kind === 'restore') {
    try {
      if (stats.mode % 0o10000 !== finish.mode) chmodSync(pathBytes(at), finish.mode);
      setModified(at, finish.mtime);
    } catch (error) {
      throw wrapErrno(error, `cannot set the time of ${shown(path)}`);
    }
    return;
  }
  for (const name of readXattrs(at).keys()) {
    if (finish.metadata.xattrs.has(name) || name === kept || marks?.isOwnXattr(name)) continue;
    removeXattr(at, name);
  }
  if (!finish.known) marks?.markImplied(descent);
  else if (marks?.isImplied(descent)) marks.clearImplied(descent);
  metadata.apply(at, path, finish.metadata, stats);
}
