import type { Warnings } from '../../error/index.ts';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../../tar/index.ts';
import { type ByteString, noXattrs, printable } from '../../tree/index.ts';
import { ChangeChecker, type ChangeLimits, corrupt, defaultChangeLimits, show } from './check.ts';
import type { ChangeEntry, ChangeType } from './entry.ts';
import { DiffError } from './error.ts';
import { readOverlay } from './overlay.ts';

export interface LayerStreamOptions {
  /** Paths that are left out if they are empty directories or empty files: init made them to mount over. */
  readonly ignore?: ReadonlySet<ByteString> | undefined;
  /** The root directory as the image has it: if it still is, the layer has no entry for it. */
  readonly root?: { readonly mode: number; readonly uid: number; readonly gid: number } | undefined;
  readonly limits?: Partial<ChangeLimits> | undefined;
  readonly warnings: Warnings;
}

/** What went into a layer. */
export interface LayerCount {
  /** Files, directories and so on; whiteouts and opaque markers are not among them. */
  entries: number;
  whiteouts: number;
  opaque: number;
}

type Bytes = AsyncGenerator<Uint8Array, void, undefined>;

/**
 * Changes as the layer's archive, uncompressed, in the order in which they come, which is checked to be the order of
 * a tree; a directory's `.wh..wh..opq` stands right behind it, before what it holds. Deterministic: times, owners,
 * xattrs are the changes' own. DiffError as `ChangeChecker`, and `unsupported` for what a layer cannot say.
 */
export async function* streamLayer(
  changes: AsyncIterable<ChangeEntry>,
  count: LayerCount,
  options: LayerStreamOptions,
): Bytes {
  const writer = new LayerWriter(count, options);
  for await (const entry of changes) yield* writer.write(entry);
  if (!writer.hasRoot) throw corrupt('', 'there is no root directory');
  yield endOfArchive;
}

class LayerWriter {
  readonly #count: LayerCount;
  readonly #options: LayerStreamOptions;
  readonly #checker: ChangeChecker;
  readonly #linked = new Map<bigint, { path: ByteString; type: ChangeType; size: number }>();
  /** Directories to be left out, each below the one before it, unless something else comes below them. */
  #held: { readonly entry: ChangeEntry; readonly opaque: boolean }[] = [];
  hasRoot = false;

  constructor(count: LayerCount, options: LayerStreamOptions) {
    this.#count = count;
    this.#options = options;
    this.#checker = new ChangeChecker({ ...defaultChangeLimits, ...options.limits });
  }

  async *write(given: ChangeEntry): Bytes {
    const type = this.#checker.check(given);
    this.hasRoot = true;
    const { path } = given;
    if (/(^|\/)\.wh\.[^/]*$/.test(path)) throw inexpressible(path);
    const change = readOverlay(given, type);
    if (change.kind === 'whiteout') {
      yield* this.#release(path);
      this.#count.whiteouts += 1;
      yield formatHeader({ ...marker, path: path.replace(/[^/]*$/, '.wh.$&') });
    } else if (type === 'directory') yield* this.#directory(change.entry, change.opaque);
    else if (type === 'socket') this.#leaveOut(path);
    else if (!this.#isMountPoint(change.entry, type)) yield* this.#file(change.entry, type);
    // Of what has no content, none may come.
    if (type !== 'file' || given.size === 0) yield* this.#content({ ...given, size: 0 });
  }

  *#directory(entry: ChangeEntry, opaque: boolean): Generator<Uint8Array> {
    const { path } = entry;
    if (path !== '' && this.#options.ignore?.has(path)) {
      this.#held = [...this.#held.filter(above => isBelow(path, above.entry.path)), { entry, opaque }];
      return;
    }
    yield* this.#release(path);
    if (path !== '' || !this.#isRootUnchanged(entry)) yield* this.#enter(entry, opaque);
    else yield* this.#markOpaque(path, opaque);
  }

  *#enter(entry: ChangeEntry, opaque: boolean): Generator<Uint8Array> {
    const { path, status } = entry;
    if (status !== 'implied') {
      this.#count.entries += 1;
      yield formatHeader(describe(entry, 'directory'));
    }
    yield* this.#markOpaque(path, opaque);
  }

  *#markOpaque(path: ByteString, opaque: boolean): Generator<Uint8Array> {
    if (!opaque) return;
    this.#count.opaque += 1;
    yield formatHeader({ ...marker, path: path === '' ? '.wh..wh..opq' : `${path}/.wh..wh..opq` });
  }

  /** Directories that were held back come after all, if the path is below them; the others are empty, and left out. */
  *#release(path: ByteString): Generator<Uint8Array> {
    const held = this.#held;
    if (held.length === 0) return;
    this.#held = [];
    for (const { entry, opaque } of held) {
      if (isBelow(path, entry.path)) yield* this.#enter(entry, opaque);
    }
  }

  async *#file(entry: ChangeEntry, type: Exclude<ChangeType, 'directory' | 'socket'>): Bytes {
    yield* this.#release(entry.path);
    this.#count.entries += 1;
    const first = this.#findFirst(entry, type);
    if (first !== undefined) {
      yield formatHeader({ ...describe(entry, 'hardlink'), linkpath: first });
      yield* this.#content({ ...entry, size: 0 });
      return;
    }
    yield formatHeader(describe(entry, type));
    if (type !== 'file') return;
    this.#checker.count(entry);
    yield* this.#content(entry);
    yield padding(entry.size ?? 0);
  }

  /** The path under which the same file came before; remembers it if there was none. */
  #findFirst({ path, inode, links, size = 0 }: ChangeEntry, type: ChangeType): ByteString | undefined {
    if (links < 2) return undefined;
    const number = BigInt(inode);
    const known = this.#linked.get(number);
    if (known === undefined) {
      this.#linked.set(number, { path, type, size });
      return undefined;
    }
    if (known.type === type && known.size === size) return known.path;
    throw corrupt(path, `it is said to be the same file as ${show(known.path)}, and is not`);
  }

  /** Exactly as many bytes as were announced. */
  async *#content({ path, size = 0, content }: ChangeEntry): Bytes {
    let length = 0;
    if (content !== undefined) {
      for await (const chunk of content) {
        length += chunk.length;
        if (length > size) throw corrupt(path, `more than its ${size} bytes came`);
        if (chunk.length > 0) yield chunk;
      }
    }
    if (length < size) throw corrupt(path, `${length} of its ${size} bytes came`);
  }

  #isMountPoint({ path, size = 0, links }: ChangeEntry, type: ChangeType): boolean {
    return type === 'file' && size === 0 && links < 2 && (this.#options.ignore?.has(path) ?? false);
  }

  #isRootUnchanged({ mode, uid, gid, xattrs, status }: ChangeEntry): boolean {
    const { root } = this.#options;
    if (status !== undefined) return status === 'parent' || status === 'implied';
    if (root === undefined || xattrs.size > 0) return false;
    return mode % 0o10000 === root.mode % 0o10000 && uid === root.uid && gid === root.gid;
  }

  #leaveOut(path: ByteString): void {
    const shown = show(path);
    const message = `${shown} is a socket, which no layer holds, and is left out`;
    this.#options.warnings.add({ code: 'left-out', message, path: shown });
  }
}

/** A marker's own metadata means nothing. */
const marker: TarEntry = {
  ...{ type: 'file', path: '', linkpath: '', size: 0, mode: 0, uid: 0, gid: 0 },
  ...{ mtime: { seconds: 0, nanoseconds: 0 }, major: 0, minor: 0, xattrs: noXattrs },
};

function describe(entry: ChangeEntry, type: TarEntry['type']): TarEntry {
  const { path, mode, uid, gid, mtime, xattrs, device } = entry;
  const isDevice = type === 'character' || type === 'block';
  return {
    type,
    path: type === 'directory' ? `${path === '' ? '.' : path}/` : path,
    linkpath: type === 'symlink' ? entry.target! : '',
    size: type === 'file' ? (entry.size ?? 0) : 0,
    ...{ mode: mode % 0o10000, uid, gid, mtime },
    major: isDevice ? device!.major : 0,
    minor: isDevice ? device!.minor : 0,
    // A hardlink's metadata is its file's.
    xattrs: type === 'hardlink' ? noXattrs : xattrs,
  };
}

function isBelow(path: ByteString, directory: ByteString): boolean {
  return path.startsWith(`${directory}/`);
}

function inexpressible(path: ByteString): DiffError {
  return new DiffError('unsupported', `${show(path)}: a layer would take it for a deletion, by its name`, {
    detail: { path: printable(path) },
    hint: 'rename or remove it, and try again',
  });
}
