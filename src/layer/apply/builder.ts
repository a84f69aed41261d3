import { linkSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { type Descent, type FileMetadata, pathBytes, removeEntry, timestamp } from '../../host/index.ts';
import { type ByteString, noXattrs, type Timestamp } from '../../tree/index.ts';
import { createTrace, findTrace, type Trace, traceAt } from './trace.ts';
import type { View } from './view.ts';

/**
 * Changes the target in the directory where its view is. Whatever comes in was made in the staging directory, with its
 * metadata, and is renamed to its one name: nothing that stands in the target is ever opened, written to or followed.
 */
export class Builder {
  readonly view: View;
  /** A directory of the target's own filesystem that nobody else knows. */
  readonly staging: Descent;
  readonly trace: Trace = createTrace();
  readonly #created: Timestamp;
  #next = 0;
  /** `names` is of one stay of the view in one directory, whose trace nobody drops meanwhile. */
  #latest: { readonly names: readonly ByteString[]; readonly trace: Trace } | undefined;

  constructor(view: View, staging: Descent, created: Timestamp) {
    this.view = view;
    this.staging = staging;
    this.#created = created;
    view.onUnlock = (names, mtime, mode) => {
      traceAt(this.trace, names).finish ??= { kind: 'restore', mtime, mode };
    };
  }

  /** A path in the staging directory that is free. */
  newName(): ByteString {
    this.#next += 1;
    return this.staging.at(`n${this.#next}`);
  }

  /** Puts what was staged at a name. It replaces whatever stands there. `found`: it is a copy of what stood there. */
  place(name: ByteString, staged: ByteString, origin: 'made' | 'found' = 'made'): void {
    this.#arrive();
    const { view } = this;
    if (view.mayStand(name)) this.#clear(name);
    view.expect(name);
    renameSync(pathBytes(staged), pathBytes(view.target.at(name)));
    this.#leaveTrace(name, origin === 'made' ? 'made' : undefined);
  }

  /** The name is what the system did not let us make: nothing stands there. */
  lose(name: ByteString): void {
    this.erase(name);
    this.#leaveTrace(name, 'lost');
  }

  /** Sees to it that a file can be renamed to a name. */
  #clear(name: ByteString): void {
    const { view } = this;
    const found = view.lookup(name);
    if (found?.where === 'target' && found.type === 'directory') removeEntry(view.target, name);
    view.marks?.clearWhiteout(view.target, name);
  }

  /** Gives a file one more name, in the staging directory. A symlink is linked itself. */
  link(path: ByteString): ByteString {
    const staged = this.newName();
    linkSync(pathBytes(path), pathBytes(staged));
    return staged;
  }

  /** Makes a new directory where there is none, and goes there; nothing from below shows in it unless nothing was hidden. */
  makeDirectory(name: ByteString, metadata?: FileMetadata): void {
    this.#arrive();
    const { view } = this;
    const { marks } = view;
    const found = view.lookup(name);
    const replaces = found !== undefined || view.isDeleted(name);
    if (found?.where === 'target' || view.isDeleted(name)) removeEntry(view.target, name);
    marks?.clearWhiteout(view.target, name);
    this.#mkdir(name);
    view.expectIn(name);
    this.#leaveTrace(name, undefined);
    view.enter(name, { where: 'target', type: 'directory' });
    if (replaces && view.beneath !== 'none') {
      marks!.markOpaque(view.target);
      view.hideBelow();
    }
    this.describe(metadata ?? this.#implied(), metadata !== undefined || view.beneath !== 'unknown');
  }

  /** The directory where the view is will have this metadata; not `known` if they are a guess. */
  describe(metadata: FileMetadata, known = true): void {
    this.#arrive();
    traceAt(this.trace, this.view.names).finish = { kind: 'set', metadata, known };
  }

  /** What the directory where the view is will have is what a directory has that nobody has described. */
  describeImplied(known: boolean): void {
    this.describe(this.#implied(), known);
  }

  /** A name is deleted, of the target and of what is below. */
  erase(name: ByteString): void {
    const { view } = this;
    const { marks } = view;
    if (view.lookup(name)?.where === 'target') {
      this.#arrive();
      removeEntry(view.target, name);
      this.#leaveTrace(name, undefined);
    }
    if (marks === undefined || !view.mayShowBelow(name) || view.isDeleted(name)) return;
    this.#arrive();
    view.expect(name);
    marks.placeWhiteout(view.target, name);
    if (view.beneath === 'unknown') marks.markOrigin(view.target);
  }

  /** All names in the directory where the view is are deleted. */
  empty(): void {
    const { view } = this;
    const { marks } = view;
    const names = view.namesInTarget();
    if (names.length > 0) this.#arrive();
    for (const name of names) {
      removeEntry(view.target, name);
      this.#leaveTrace(name, undefined);
    }
    if (marks === undefined || view.beneath === 'none') return;
    this.#arrive();
    if (view.depth === 0 && view.beneath === 'open') {
      // The kernel merges all roots, and does not ask whether one is opaque.
      for (const name of view.namesBelow()) {
        view.expect(name);
        marks.placeWhiteout(view.target, name);
      }
      return;
    }
    marks.markOpaque(view.target);
    view.hideBelow();
  }

  /** Whether this layer has made what stands at a name, and is no directory; or would have, if the system had let it. */
  leafAt(name: ByteString): Trace['leaf'] {
    return findTrace(this.trace, [...this.view.names, name])?.leaf;
  }

  /** Sees to it that the target has the directory where the view is, and remembers how it was before it changes. */
  #arrive(): void {
    const { view } = this;
    view.materialise((names, name, metadata, beneath) => {
      this.#touch(names);
      this.#mkdir(name);
      const known = metadata !== undefined || beneath !== 'unknown';
      traceAt(this.trace, [...names, name]).finish = {
        kind: 'set',
        metadata: metadata ?? this.#implied(),
        known,
      };
    });
    this.#touch(view.names);
  }

  /** The same as `traceAt`; mostly it is where the last thing was. */
  #traceAt(names: readonly ByteString[]): Trace {
    if (this.#latest?.names !== names) this.#latest = { names, trace: traceAt(this.trace, names) };
    return this.#latest.trace;
  }

  #touch(names: readonly ByteString[]): void {
    const trace = this.#traceAt(names);
    if (trace.finish !== undefined) return;
    const stats = lstatSync(pathBytes(this.view.target.at('')), { bigint: true });
    const mode = Number(stats.mode % 0o10000n);
    trace.finish = { kind: 'restore', mtime: timestamp(stats.mtimeNs), mode };
  }

  /** Made in the staging directory, so that neither a parent's group nor its default ACL is inherited. */
  #mkdir(name: ByteString): void {
    const staged = this.newName();
    mkdirSync(pathBytes(staged), 0o700);
    renameSync(pathBytes(staged), pathBytes(this.view.target.at(name)));
  }

  #leaveTrace(name: ByteString, leaf: Trace['leaf']): void {
    const trace = this.#traceAt(this.view.names);
    trace.children ??= new Map();
    const { children } = trace;
    if (leaf === undefined) children.delete(name);
    else children.set(name, { leaf, finish: undefined, children: undefined });
  }

  #implied(): FileMetadata {
    const mtime = this.#created;
    return { type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime, xattrs: noXattrs };
  }
}
