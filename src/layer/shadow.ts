import type { ByteString } from '../tree/index.ts';
import type { LayerEntry } from './entry.ts';

/** A name that hides itself and all below it, for good: a whiteout or a non-directory of a newer layer. */
const covered = Symbol('covered');

interface Shade {
  children: Map<ByteString, Shade | typeof covered> | undefined;
  /** A newer layer has a directory here, of its own or implied by what stands below. */
  present: boolean;
  /** All below is hidden. */
  opaque: boolean;
}

/**
 * What newer layers hide, for the data pass that runs newest layer first. It predicts: the merge is exact, this is cheap.
 * Parents that are symlinks are taken by their names, so it can miss a hidden file (its bytes are then compressed for
 * nothing) and, rarely, call a file hidden that is needed (its layer is then read once more). Memory is linear in
 * the names added; `hides` looks up one name for each component of the path.
 */
export class Shadow {
  readonly #root: Shade = { children: undefined, present: true, opaque: false };
  /** Paths below that newer layers link to, so that the content outlives the name. */
  readonly #linked = new Set<ByteString>();

  /** Whether a regular file at `path` in a layer older than all those added is certainly or very likely hidden. */
  hides(path: ByteString): boolean {
    return !this.#linked.has(path) && this.#covers(path);
  }

  /** Adds the next older layer: newest first. A layer is asked about before it is added. */
  add(entries: readonly LayerEntry[]): void {
    const needed = this.#findNeeded(entries);
    for (const entry of entries) {
      this.#mark(entry);
      // What a newer layer linked to was this layer's, or was deleted by it: the older ones are no longer meant.
      if (this.#linked.size > 0) this.#linked.delete(entry.path);
    }
    for (const path of needed) this.#linked.add(path);
  }

  /** What hardlinks that are not hidden themselves name in the layers below. */
  #findNeeded(entries: readonly LayerEntry[]): ByteString[] {
    const needed: ByteString[] = [];
    if (!entries.some(entry => entry.type === 'hardlink')) return needed;
    const own = new Set<ByteString>();
    for (const entry of entries) {
      if (entry.type === 'whiteout' || entry.type === 'opaque' || entry.type === 'directory') continue;
      if (entry.type === 'hardlink' && !own.has(entry.target) && !this.hides(entry.path)) {
        needed.push(entry.target);
      }
      own.add(entry.path);
    }
    return needed;
  }

  #covers(path: ByteString): boolean {
    let shade = this.#root;
    for (let at = 0; at <= path.length; ) {
      if (shade.opaque) return true;
      let end = path.indexOf('/', at);
      if (end < 0) end = path.length;
      const child = shade.children?.get(path.slice(at, end));
      if (child === undefined) return false;
      if (child === covered) return true;
      shade = child;
      at = end + 1;
    }
    return shade.present;
  }

  #mark(entry: LayerEntry): void {
    const { path, type } = entry;
    const creates = type !== 'whiteout' && type !== 'opaque';
    const directory = type === 'directory' || type === 'opaque';
    let shade = this.#root;
    for (let at = 0; at < path.length; ) {
      if (shade.opaque) return;
      let end = path.indexOf('/', at);
      if (end < 0) end = path.length;
      const name = path.slice(at, end);
      at = end + 1;
      shade.children ??= new Map();
      if (end === path.length && !directory) {
        shade.children.set(name, covered);
        return;
      }
      let child = shade.children.get(name);
      if (child === covered) return;
      if (child === undefined) {
        child = { children: undefined, present: false, opaque: false };
        shade.children.set(name, child);
      }
      if (creates) child.present = true;
      shade = child;
    }
    if (type === 'opaque') {
      shade.opaque = true;
      shade.children = undefined;
    }
  }
}
