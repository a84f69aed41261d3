import type { ByteString } from '../tree/index.ts';
import type { LayerEntry } from './entry.ts';

/**
 * Whether a layer means the same whatever is below it, its root aside: each of its paths is there once, its parents are directories that it
 * brings itself, and before, and so are the files that its hardlinks name. Most tools make such layers only.
 */
export function isSelfContained(entries: readonly LayerEntry[]): boolean {
  const brought = new Map<ByteString, 'directory' | 'leaf'>();
  const deleted: ByteString[] = [];
  const isDirectory = (path: ByteString) => path === '' || brought.get(path) === 'directory';
  for (const entry of entries) {
    const { type, path } = entry;
    if (type === 'opaque') {
      // OverlayFS merges roots, opaque or not.
      if (path === '' || !isDirectory(path)) return false;
      continue;
    }
    if (path !== '' && !isDirectory(path.slice(0, Math.max(path.lastIndexOf('/'), 0)))) return false;
    if (type === 'whiteout') {
      deleted.push(path);
      continue;
    }
    if (brought.has(path)) return false;
    if (type === 'hardlink' && brought.get(entry.target) !== 'leaf') return false;
    brought.set(path, type === 'directory' ? 'directory' : 'leaf');
  }
  return !deleted.some(path => brought.has(path));
}
