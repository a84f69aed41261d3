import { type BigIntStats, chmodSync, readlinkSync } from 'node:fs';
import { Descent, type FileMetadata, isRoot, pathBytes, readNames, timestamp } from '../../host/index.ts';
import type { ByteString, Timestamp } from '../../tree/index.ts';
import { lookAt, readFacts, typeOf } from '../disk/facts.ts';
import type { WhiteoutForm } from '../form.ts';
import { type Marks, marksOf } from '../mark/index.ts';
import { isOverlayXattr } from '../normalise.ts';
import type { Below } from './options.ts';

/** What stands at a name, and whether it is in the target itself or shows from below. */
export interface Found {
  readonly where: 'target' | 'below';
  readonly type: 'directory' | 'symlink' | 'other';
}

interface Level {
  readonly name: ByteString;
  /** From the root to here. */
  readonly names: readonly ByteString[];
  /** Of a directory that was made empty since the view was opened: all names that came into it, be they gone again. */
  arrivals: Set<ByteString> | undefined;
  /** Whether the target has the directory itself. */
  inTarget: boolean;
  /** `open`: the layers below have it too, and it shows. */
  below: 'open' | 'none' | 'unknown';
  /** What the directory below has, where the target does not have it. */
  readonly metadata: FileMetadata | undefined;
}

const top = { name: '', names: [], arrivals: undefined };

/**
 * The result as it stands: the target over what is below, as the form's filesystem would merge them. It is always in one
 * directory, which it reaches by single steps through descriptors: symlinks are told of, and followed by nobody here.
 * Throws as `fs` does.
 */
export class View implements Disposable {
  readonly target: Descent;
  readonly below: Descent | undefined;
  readonly marks: Marks | undefined;
  /** Told of directories that were given another mode to be entered, with what they had. */
  onUnlock: (names: readonly ByteString[], mtime: Timestamp, mode: number) => void = () => {};
  /** Names in the root that are nobody's. */
  readonly #hidden: ReadonlySet<ByteString>;
  readonly #levels: Level[];
  readonly #belowPath: string | undefined;
  /** By the directories' paths. */
  readonly #arrivals = new Map<ByteString, Set<ByteString>>();

  /** `root` and `below` are opened again, so that it moves by itself. */
  constructor(root: Descent, form: WhiteoutForm, below: Below, hidden: ReadonlySet<ByteString>) {
    this.target = Descent.open(root.at('.'));
    this.marks = marksOf(form);
    this.#hidden = hidden;
    const known = typeof below === 'object' && this.marks !== undefined;
    this.#belowPath = known ? below.path : undefined;
    this.below = known ? Descent.open(below.path) : undefined;
    const kind = known ? 'open' : this.marks === undefined || below === 'nothing' ? 'none' : 'unknown';
    this.#levels = [{ ...top, inTarget: true, below: kind, metadata: undefined }];
  }

  /** Names from the root to where it is. */
  get names(): readonly ByteString[] {
    return this.#level.names;
  }

  get depth(): number {
    return this.#levels.length - 1;
  }

  get path(): ByteString {
    return this.names.join('/');
  }

  /** What may be below this directory: `open` has been looked at, of `unknown` nobody can tell. */
  get beneath(): Level['below'] {
    return this.#level.below;
  }

  /** Whether the target has the directory where it is. */
  get inTarget(): boolean {
    return this.#level.inTarget;
  }

  get #level(): Level {
    return this.#levels.at(-1)!;
  }

  lookup(name: ByteString): Found | undefined {
    const level = this.#level;
    if (level.inTarget && this.mayStand(name)) {
      const stats = lookAt(this.target, name);
      if (stats !== undefined) return this.marks?.isWhiteout(stats) ? undefined : found('target', stats);
      if (level.below !== 'none' && this.marks?.hasWhiteout(this.target, name)) return undefined;
    }
    if (level.below !== 'open') return undefined;
    const stats = lookAt(this.below!, name);
    return stats && found('below', stats);
  }

  /** Whether something that the target does not hide could show from below, at a name that the target has not. */
  mayShowBelow(name: ByteString): boolean {
    const { below } = this.#level;
    return below === 'unknown' || (below === 'open' && lookAt(this.below!, name) !== undefined);
  }

  /** Whether there may be layers below, of which nothing is known. */
  get isLowerUnknown(): boolean {
    return this.#levels[0]!.below === 'unknown';
  }

  /** Whether nobody can tell what stands at a name, for the target says nothing, and what is below is not known. */
  isUnknown(name: ByteString): boolean {
    return this.beneath === 'unknown' && !(this.inTarget && this.#says(name));
  }

  /** Whether the target has anything at a name, be it a whiteout. */
  #says(name: ByteString): boolean {
    if (!this.mayStand(name)) return false;
    return lookAt(this.target, name) !== undefined || this.marks?.hasWhiteout(this.target, name) === true;
  }

  /** Whether the target hides a name below by a whiteout. */
  isDeleted(name: ByteString): boolean {
    return this.inTarget && this.lookup(name)?.where !== 'target' && this.#says(name);
  }

  /** False if nothing of the target, nor a whiteout of its, was ever at a name. */
  mayStand(name: ByteString): boolean {
    return this.#level.arrivals?.has(name) !== false;
  }

  /** To be told before anything comes to a name of the target's own directory: until then nothing is looked for there. */
  expect(name: ByteString): void {
    this.#level.arrivals?.add(name);
  }

  /** To be told when a directory was made at a name, before anything else is done with it: it is empty. */
  expectIn(name: ByteString): void {
    this.expect(name);
    this.#arrivals.set([...this.names, name].join('/'), new Set());
  }

  readLink(name: ByteString, { where }: Found): ByteString {
    const descent = where === 'target' ? this.target : this.below!;
    return readlinkSync(pathBytes(descent.at(name)), { encoding: 'latin1' });
  }

  /** All names in the directory below where it is; none where that is not known. */
  namesBelow(): ByteString[] {
    return this.#level.below === 'open' ? readNames(this.below!.at('.')) : [];
  }

  /** The names in the target's own directory that are entries' or whiteouts'. */
  namesInTarget(): ByteString[] {
    if (!this.#level.inTarget) return [];
    const names = readNames(this.target.at('.'));
    return this.depth > 0 ? names : names.filter(name => !this.#hidden.has(name));
  }

  /** Steps into a directory that was found. */
  enter(name: ByteString, { where }: Found): void {
    const level = this.#level;
    if (where === 'below') {
      const metadata = withoutMarks(readFacts(this.below!, name)!);
      this.below!.enter(name);
      this.#push({ name, arrivals: undefined, inTarget: false, below: 'open', metadata });
      return;
    }
    const isBelow = level.below === 'open' && isDirectory(lookAt(this.below!, name));
    this.#unlock(name);
    this.target.enter(name);
    let below: Level['below'] = 'none';
    if (isBelow || level.below === 'unknown') {
      if (!this.marks!.isOpaque(this.target)) below = level.below;
    }
    if (below === 'open') this.below!.enter(name);
    const arrivals = this.#arrivals.get([...this.names, name].join('/'));
    this.#push({ name, arrivals, inTarget: true, below, metadata: undefined });
  }

  #push(level: Omit<Level, 'names'>): void {
    this.#levels.push({ ...level, names: [...this.names, level.name] });
  }

  /** Only root may look into a directory that denies it; its owner grants it to himself first. */
  #unlock(name: ByteString): void {
    if (isRoot()) return;
    const stats = lookAt(this.target, name);
    if (stats === undefined || !isDirectory(stats)) return;
    const mode = Number(stats.mode % 0o10000n);
    if ((mode & 0o700) === 0o700 || Number(stats.uid) !== process.geteuid?.()) return;
    chmodSync(pathBytes(this.target.at(name)), mode | 0o700);
    this.onUnlock([...this.names, name], timestamp(stats.mtimeNs), mode);
  }

  /** Steps into a directory that nobody knows of, in the target or below. */
  enterUnknown(name: ByteString): void {
    const below = this.#level.below === 'unknown' ? 'unknown' : 'none';
    this.#push({ name, arrivals: undefined, inTarget: false, below, metadata: undefined });
  }

  leave(): void {
    const left = this.#levels.pop()!;
    if (left.inTarget) this.target.leave();
    if (left.below === 'open') this.below!.leave();
  }

  /** A second way down into what is below, to a directory that is there. */
  openBelow(names: readonly ByteString[]): Descent {
    const descent = Descent.open(this.#belowPath!);
    for (const name of names) descent.enter(name);
    return descent;
  }

  /** Goes up to a depth. */
  ascend(depth: number): void {
    while (this.depth > depth) this.leave();
  }

  /** Goes up as far as it takes to be on the way to a path. Where it is then are directories, not symlinks. */
  ascendTowards(names: readonly ByteString[]): void {
    let shared = 0;
    while (shared < this.depth && shared < names.length && this.#levels[shared + 1]!.name === names[shared])
      shared += 1;
    this.ascend(shared);
  }

  /** Nothing shows from below any more in the directory where it is. */
  hideBelow(): void {
    const level = this.#level;
    if (level.below === 'open' && this.depth > 0) this.below!.leave();
    level.below = 'none';
  }

  /**
   * Has the directories of the way made that the target lacks, outermost first: `make` is called where `name` belongs,
   * with what is below of it, if that is known.
   */
  materialise(
    make: (
      parents: readonly ByteString[],
      name: ByteString,
      metadata: FileMetadata | undefined,
      below: Level['below'],
    ) => void,
  ): void {
    if (this.inTarget) return;
    const { names } = this;
    for (const [depth, level] of this.#levels.entries()) {
      if (level.inTarget) continue;
      this.#levels[depth - 1]!.arrivals?.add(level.name);
      make(names.slice(0, depth - 1), level.name, level.metadata, level.below);
      level.arrivals = new Set();
      this.#arrivals.set(names.slice(0, depth).join('/'), level.arrivals);
      this.target.enter(level.name);
      level.inTarget = true;
    }
  }

  [Symbol.dispose](): void {
    this.target[Symbol.dispose]();
    this.below?.[Symbol.dispose]();
  }
}

function isDirectory(stats: BigIntStats | undefined): boolean {
  return stats !== undefined && typeOf(stats) === 'directory';
}

function found(where: Found['where'], stats: BigIntStats): Found {
  const type = typeOf(stats);
  return { where, type: type === 'directory' || type === 'symlink' ? type : 'other' };
}

/** Metadata that can be given to another file: OverlayFS's own xattrs are nobody's. */
export function withoutMarks(metadata: FileMetadata): FileMetadata {
  const xattrs = [...metadata.xattrs].filter(([name]) => !isOverlayXattr(name));
  return { ...metadata, xattrs: new Map(xattrs) };
}
