import { symlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type Warnings, wrapErrno } from '../../error/index.ts';
import {
  createSpecialFile,
  type Losses,
  type Metadata,
  pathBytes,
  type Staging,
  throwIfAborted,
} from '../../host/index.ts';
import { type ByteString, printable } from '../../tree/index.ts';
import type { LayerEntry, LayerHardlink } from '../entry.ts';
import { createRejection, formatPlace } from '../error.ts';
import { createExhausted } from '../limits.ts';
import type { Builder } from './builder.ts';
import { lastName, parentPath } from './hits.ts';
import type { Links } from './links.ts';
import { type Course, maximumLinks, type WalkEnd, walk } from './walk.ts';

export interface EntryOptions {
  readonly builder: Builder;
  readonly links: Links;
  readonly staging: Staging;
  readonly metadata: Metadata;
  readonly losses: Losses;
  readonly warnings: Warnings;
  readonly layer: number;
  readonly mostDepth: number;
  readonly signal: AbortSignal | undefined;
}

/** Entries between two looks at the event loop, so that signals come through. */
const slice = 1024;

/** Applies entries in stream order (rules 4 to 8). LayerError `invalid` for what the contract rejects. */
export async function applyEntries(entries: readonly LayerEntry[], options: EntryOptions): Promise<void> {
  const applier = new Applier(options);
  for (const [position, entry] of entries.entries()) {
    if (position % slice === 0) {
      await setImmediate();
      throwIfAborted(options.signal);
    }
    try {
      applier.apply(entry, position);
    } catch (error) {
      throw wrapErrno(error, `cannot apply ${formatPlace(options.layer, entry.path)}`);
    }
  }
}

class Applier {
  readonly #options: EntryOptions;
  #entry: LayerEntry | undefined;
  /** Rule 7: a parent without an entry. */
  readonly #parents: Course = {
    obstacle: (view, name, found) => {
      const { builder, warnings, layer } = this.#options;
      const isOwn = builder.leafAt(name) !== undefined;
      const place = [...view.names, name].join('/');
      if (isOwn) throw this.#reject(`its parent ${printable(place)} is no directory in the same layer`);
      if (found !== undefined) {
        const message = `${formatPlace(layer, place)}: what is no directory below made way for one`;
        warnings.add({ code: 'parent-replaced', layer, message, path: printable(place) });
      }
      builder.makeDirectory(name);
      return true;
    },
    follows: () => true,
  };

  constructor(options: EntryOptions) {
    this.#options = options;
  }

  apply(entry: LayerEntry, position: number): void {
    this.#entry = entry;
    if (entry.type === 'whiteout' || entry.type === 'opaque') return;
    const { builder } = this.#options;
    if (entry.type === 'directory') {
      this.#directory(entry);
      return;
    }
    // What stands there before the link's own parents come into being.
    const staged = entry.type === 'hardlink' ? this.#linked(entry) : this.#make(entry, position);
    this.#goTo(parentPath(entry.path));
    const name = lastName(entry.path);
    if (staged === undefined) builder.lose(name);
    else builder.place(name, staged);
  }

  #directory(entry: LayerEntry & { type: 'directory' }): void {
    const { builder } = this.#options;
    const { view } = builder;
    this.#goTo(parentPath(entry.path));
    if (entry.path !== '') {
      const name = lastName(entry.path);
      const found = view.lookup(name);
      if (found?.type === 'directory') view.enter(name, found);
      else if (found === undefined && view.isUnknown(name)) view.enterUnknown(name);
      else {
        builder.makeDirectory(name, entry);
        return;
      }
    }
    builder.describe(entry);
  }

  /** A path in the staging directory; `undefined` if the system does not let such a file be made. */
  #linked(entry: LayerHardlink): ByteString | undefined {
    const shown = printable(entry.target);
    const target = this.#options.links.find(entry);
    switch (target.kind) {
      case 'file':
        return target.staged;
      case 'lost':
        return undefined;
      case 'fault':
        return this.#fail(target.fault);
      case 'directory':
        throw this.#reject(`hardlink to ${shown}, which is a directory`);
      case 'nothing':
        throw this.#rejectMissing(`hardlink to ${shown}, which does not exist`);
    }
  }

  #make(
    entry: Exclude<LayerEntry, { type: 'directory' | 'hardlink' | 'whiteout' | 'opaque' }>,
    position: number,
  ): ByteString | undefined {
    const { builder, staging, metadata, losses } = this.#options;
    if (entry.type === 'file') return staging.find(position, entry.size);
    const staged = builder.newName();
    if (entry.type === 'symlink') symlinkSync(pathBytes(entry.target), pathBytes(staged));
    else if (!createSpecialFile(staged, entry.path, entry, losses)) return undefined;
    metadata.apply(staged, entry.path, entry);
    return staged;
  }

  #goTo(parent: ByteString): void {
    const { builder, mostDepth } = this.#options;
    const end = walk(builder.view, parent, this.#parents, mostDepth);
    if (end === 'links' || end === 'depth') this.#fail(end);
  }

  #fail(end: Exclude<WalkEnd, 'arrived' | 'end'>): never {
    const { layer, mostDepth } = this.#options;
    throw createWalkFault(end, layer, this.#entry!.path, mostDepth);
  }

  #reject(why: string): Error {
    return createRejection(this.#options.layer, this.#entry!.path, why);
  }

  /** It may well be in a layer below that nobody can see yet. */
  #rejectMissing(why: string): Error {
    if (!this.#options.builder.view.isLowerUnknown) return this.#reject(why);
    return createRejection(this.#options.layer, this.#entry!.path, `${why} in this layer`, {
      hint: 'if a layer below has it, apply the layers in turn, each onto its parent; containerd’s capability rebase does not',
    });
  }
}

/** The error of a path that leads through too many symlinks, or too deep. */
export function createWalkFault(
  end: Exclude<WalkEnd, 'arrived' | 'end'>,
  layer: number,
  path: ByteString,
  limit: number,
): Error {
  if (end === 'links')
    return createRejection(layer, path, `its path runs through more than ${maximumLinks} symlinks`);
  return createExhausted('pathDepth', { where: formatPlace(layer, path), limit, actual: limit + 1 });
}
