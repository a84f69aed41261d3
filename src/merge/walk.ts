import type { ByteString, Inode } from '../tree/index.ts';
import type { Content, Directory } from './content.ts';

/** As Linux has it: the forty-first link is one too many. */
export const maximumLinks = 40;

/** What a walk does where it cannot simply go on. */
export interface Course {
  /** The name is missing, or is neither a directory nor a symlink (`found`): the directory to go on in, or an end. */
  obstacle(walk: Walk, name: ByteString, found: Inode<Content> | undefined): Directory | undefined;
  /** Whether a symlink is followed; where it is not, the walk ends. */
  follows(directory: Directory, name: ByteString): boolean;
}

/** Why a walk failed: more links than `maximumLinks`, or more directories above one another than allowed. */
export type WalkFault = 'links' | 'depth';

/** For looking only: whatever is missing ends the walk. */
export const look: Course = { obstacle: () => undefined, follows: () => true };

/**
 * Walks a path from the root, through symlinks, as chroot does: an absolute target begins at the root, and `..` never
 * leaves it. One object is used for many walks.
 */
export class Walk {
  /** From the root to where the walk is. */
  readonly directories: Directory[] = [];
  /** The names of all but the root. */
  readonly names: ByteString[] = [];
  readonly #root: Directory;
  readonly #depth: number;

  constructor(root: Directory, depth: number) {
    this.#root = root;
    this.#depth = depth;
  }

  /** A second walk in the same tree, for use during the first. */
  another(): Walk {
    return new Walk(this.#root, this.#depth);
  }

  get directory(): Directory {
    return this.directories[this.directories.length - 1]!;
  }

  /** The path, without symlinks, of `name` in the directory where the walk is. */
  place(name: ByteString): ByteString {
    return [...this.names, name].join('/');
  }

  /** The directory at `path`; `undefined` where the course ended the walk. */
  to(path: ByteString, course: Course): Directory | WalkFault | undefined {
    const { directories, names } = this;
    directories.length = 1;
    directories[0] = this.#root;
    names.length = 0;
    let links = 0;
    for (let text = path, at = 0; at < text.length; ) {
      let end = text.indexOf('/', at);
      if (end < 0) end = text.length;
      const name = text.slice(at, end);
      at = end + 1;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (names.pop() !== undefined) directories.pop();
        continue;
      }
      const directory = this.directory;
      const found = directory.children.get(name);
      let next: Directory | undefined;
      if (found?.type === 'directory') {
        next = found as Directory;
      } else if (found?.type === 'symlink') {
        if (!course.follows(directory, name)) return undefined;
        links += 1;
        if (links > maximumLinks) return 'links';
        if (found.target.startsWith('/')) {
          directories.length = 1;
          names.length = 0;
        }
        text = at < text.length ? `${found.target}/${text.slice(at)}` : found.target;
        at = 0;
        continue;
      } else {
        next = course.obstacle(this, name, found);
      }
      if (next === undefined) return undefined;
      if (names.length >= this.#depth) return 'depth';
      directories.push(next);
      names.push(name);
    }
    return this.directory;
  }
}

/** The part of a path before its last name; '' is the root. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

export function lastName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * The parent that was found last: neighbours in a layer mostly share theirs. What it holds stays true while names are
 * only added, so it must be dropped when a directory or a symlink makes way for something else.
 */
export class LastParent {
  #path: ByteString | undefined;
  #directory: Directory | undefined;

  find(path: ByteString): Directory | undefined {
    const known = this.#path;
    if (known === undefined) return undefined;
    const end = path.lastIndexOf('/');
    return Math.max(end, 0) === known.length && path.startsWith(known) ? this.#directory : undefined;
  }

  keep(parent: ByteString, directory: Directory): void {
    this.#path = parent;
    this.#directory = directory;
  }

  drop(): void {
    this.#path = undefined;
    this.#directory = undefined;
  }
}
