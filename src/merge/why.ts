import { Warnings } from '../error/index.ts';
import type { LayerEntry, LayerIndex } from '../layer/index.ts';
import type { ByteString, Inode } from '../tree/index.ts';
import type { Content, Directory } from './content.ts';
import type { MergeEvent } from './event.ts';
import { type MergeOptions, Merger } from './merger.ts';
import { lastName, look, parentPath, Walk } from './walk.ts';

/** The record of a layer's index that did it. */
export interface WhyRecord {
  /** Position in the index. */
  readonly entry: number;
  /** As the layer has it: it may reach the path through symlinks, or be that of a directory above. */
  readonly path: ByteString;
  readonly type: LayerEntry['type'];
}

/** What one layer did to a path. */
export interface WhyStep {
  /** Position of the layer; the oldest is 0. */
  readonly layer: number;
  /**
   * `added`: it was not there before. `changed`: another inode stands there now. `metadata`: the same directory with new
   * metadata. `emptied`: the same directory, without the children from below. `deleted`: it is gone.
   */
  readonly action: 'added' | 'changed' | 'metadata' | 'emptied' | 'deleted';
  /**
   * How: an entry of its own; implied by an entry below it (a parent without one); a whiteout, of the path or of a
   * directory above; an opaque marker; or a directory above that was replaced.
   */
  readonly by: 'entry' | 'implied' | 'whiteout' | 'opaque' | 'replaced';
  readonly record: WhyRecord;
  /** What stands there after the layer; `undefined` when it is gone. */
  readonly inode: Inode<Content> | undefined;
  /** The newer layer that hides it: where the next step replaced or deleted it; `undefined` if it stands in the result. */
  readonly hiddenBy: number | undefined;
}

export interface Why {
  /** The path that was asked about, its parents' symlinks resolved in the result (where they exist). */
  readonly path: ByteString;
  /** Oldest first; layers that left the path alone have none. Empty: no layer ever had it. */
  readonly steps: readonly WhyStep[];
  /** What the result has there. */
  readonly final: Inode<Content> | undefined;
}

/** Which layers supplied, changed and deleted a path. Costs two merges. Fails as they do. */
export function why(layers: readonly LayerIndex[], path: ByteString, options: MergeOptions): Why {
  const place = resolvePlace(layers, path, options);
  const tracer = new Tracer(place);
  const steps: WhyStep[] = [];
  const merger = new Merger({ ...options, onEvent: event => tracer.note(event) });
  tracer.root = merger.root() as Directory;
  // The root is there before any layer.
  let before = merger.lookup(place);
  for (const [layer, index] of layers.entries()) {
    merger.apply(index);
    const after = merger.lookup(place);
    const cause = tracer.takeCause();
    const action = cause === undefined ? undefined : findAction(before, after, cause);
    if (cause !== undefined && action !== undefined) {
      const { path: recordPath, type } = index.entries[cause.entry]!;
      const record = { entry: cause.entry, path: recordPath, type };
      // A directory is one object that changes: what it was at this layer is kept.
      const inode = after?.type === 'directory' ? { ...after } : after;
      steps.push({ layer, action, by: cause.by, record, inode, hiddenBy: undefined });
    }
    before = after;
  }
  return { path: place, steps: steps.map((step, at) => hide(step, steps.slice(at + 1))), final: before };
}

function hide(step: WhyStep, later: readonly WhyStep[]): WhyStep {
  if (step.action === 'deleted') return step;
  const next = later.find(({ action }) => action === 'changed' || action === 'deleted');
  return next === undefined ? step : { ...step, hiddenBy: next.layer };
}

interface Cause {
  readonly entry: number;
  readonly by: WhyStep['by'];
  readonly metadata: boolean;
}

function findAction(
  before: Inode<Content> | undefined,
  after: Inode<Content> | undefined,
  cause: Cause,
): WhyStep['action'] | undefined {
  if (before === undefined) return after === undefined ? undefined : 'added';
  if (after === undefined) return 'deleted';
  if (before !== after) return 'changed';
  if (cause.metadata) return 'metadata';
  return cause.by === 'opaque' && after.type === 'directory' ? 'emptied' : undefined;
}

/** The place in the result that a user means by `path`; without symlinks if it is not in the result. */
function resolvePlace(layers: readonly LayerIndex[], path: ByteString, options: MergeOptions): ByteString {
  const literal = path
    .split('/')
    .filter(name => name !== '' && name !== '.')
    .join('/');
  if (literal === '') return literal;
  const merger = new Merger({ ...options, warnings: new Warnings() });
  for (const index of layers) merger.apply(index);
  const walk = new Walk(merger.root() as Directory, Number.POSITIVE_INFINITY);
  const directory = walk.to(parentPath(literal), look);
  if (directory === undefined || typeof directory === 'string') return literal;
  return walk.place(lastName(literal));
}

/** Notes the last change of a layer that concerns a place or a directory above it. */
class Tracer {
  root: Directory | undefined;
  readonly #names: readonly ByteString[];
  #cause: Cause | undefined;

  constructor(place: ByteString) {
    this.#names = place === '' ? [] : place.split('/');
  }

  /** The layer's last change, and forgets it. */
  takeCause(): Cause | undefined {
    const cause = this.#cause;
    this.#cause = undefined;
    return cause;
  }

  note(event: MergeEvent): void {
    const { entry } = event;
    switch (event.kind) {
      case 'described':
        if (this.#isAt(event.directory, this.#names.length))
          this.#cause = { entry, by: 'entry', metadata: true };
        return;
      case 'emptied':
        if (this.#depthOf(event.directory) !== undefined)
          this.#cause = { entry, by: 'opaque', metadata: false };
        return;
      case 'deleted':
        if (this.#isOnTheWay(event)) this.#cause = { entry, by: 'whiteout', metadata: false };
        return;
      case 'bound': {
        if (!this.#isOnTheWay(event)) return;
        const above = event.directory !== this.#directoryAt(this.#names.length - 1);
        // A new directory above the place says nothing of it, unless the place is thereby gone.
        const by = above ? 'replaced' : event.implied ? 'implied' : 'entry';
        this.#cause = { entry, by, metadata: false };
      }
    }
  }

  #isOnTheWay({ directory, name }: { directory: Directory; name: ByteString }): boolean {
    if (!this.#names.includes(name)) return false;
    const depth = this.#depthOf(directory);
    return depth !== undefined && this.#names[depth] === name;
  }

  #isAt(directory: Directory, depth: number): boolean {
    return this.#directoryAt(depth) === directory;
  }

  #directoryAt(depth: number): Directory | undefined {
    let at: Inode<Content> | undefined = this.root;
    for (let index = 0; index < depth; index += 1) {
      if (at?.type !== 'directory') return undefined;
      at = at.children.get(this.#names[index]!);
    }
    return at?.type === 'directory' ? (at as Directory) : undefined;
  }

  #depthOf(directory: Directory): number | undefined {
    let at: Inode<Content> | undefined = this.root;
    for (let depth = 0; at?.type === 'directory'; depth += 1) {
      if (at === directory) return depth;
      const name = this.#names[depth];
      if (name === undefined) return undefined;
      at = at.children.get(name);
    }
    return undefined;
  }
}
