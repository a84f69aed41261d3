import { closeSync, symlinkSync } from 'node:fs';
import {
  createSpecialFile,
  type Losses,
  type Metadata,
  pathBytes,
  type SpecialFile,
  type Staging,
  writeAll,
} from '../../host/index.ts';
import type { ByteString } from '../../tree/index.ts';
import { readContent } from '../disk/content.ts';
import { type Facts, readFacts } from '../disk/facts.ts';
import type { LayerEntry, LayerHardlink } from '../entry.ts';
import type { Place } from '../mark/index.ts';
import type { Builder } from './builder.ts';
import { lastName, parentPath } from './hits.ts';
import { withoutMarks } from './view.ts';
import { look, type WalkEnd, walk } from './walk.ts';

/** What a hardlink names: a name of the file in the staging directory, for whoever asked. */
export type LinkTarget =
  | { readonly kind: 'file'; readonly staged: ByteString }
  | { readonly kind: 'directory' | 'lost' | 'nothing' }
  | { readonly kind: 'fault'; readonly fault: Exclude<WalkEnd, 'arrived' | 'end'> };

interface Kept {
  readonly names: readonly ByteString[];
  readonly target: LinkTarget | 'below';
}

export interface LinkOptions {
  readonly builder: Builder;
  readonly staging: Staging;
  readonly metadata: Metadata;
  readonly losses: Losses;
  readonly mostDepth: number;
}

/**
 * The targets of a layer's hardlinks (rule 6): as they stand at that point of the stream, or else as the layer found them
 * below. What stands in the target directory gets one more name in the staging directory, which outlives its own.
 */
export class Links {
  readonly #options: LinkOptions;
  readonly #kept = new Map<LayerHardlink, Kept>();
  /** Copies of files from below, by what they are copies of: their names stay one file. */
  readonly #copies = new Map<string, LinkTarget>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Before the layer changes anything. */
  keep(entries: readonly LayerEntry[]): void {
    const { view } = this.#options.builder;
    for (const entry of entries) {
      if (entry.type !== 'hardlink') continue;
      const end = this.#walk(entry.target);
      if (end === 'links' || end === 'depth') {
        this.#kept.set(entry, { names: [], target: { kind: 'fault', fault: end } });
      } else if (end === 'arrived') {
        const found = view.lookup(lastName(entry.target));
        if (found === undefined) continue;
        const target = found.where === 'below' && found.type !== 'directory' ? 'below' : this.#take(entry);
        this.#kept.set(entry, { names: view.names, target });
      }
    }
  }

  /** What a hardlink names now. Moves the view. */
  find(entry: LayerHardlink): LinkTarget {
    const { builder } = this.#options;
    const end = this.#walk(entry.target);
    if (end === 'links' || end === 'depth') return { kind: 'fault', fault: end };
    if (end === 'arrived') {
      const name = lastName(entry.target);
      if (builder.leafAt(name) === 'lost') return { kind: 'lost' };
      const found = builder.view.lookup(name);
      if (found?.where === 'below' && found.type !== 'directory') {
        // As the kernel would: both names are copied up, and stay one file.
        const copy = this.#copy(builder.view.names, name);
        if (copy.kind === 'file') builder.place(name, builder.link(copy.staged), 'found');
        return copy;
      }
      if (found !== undefined) return this.#take(entry);
    }
    const kept = this.#kept.get(entry);
    if (kept === undefined) return { kind: 'nothing' };
    return kept.target === 'below' ? this.#copy(kept.names, lastName(entry.target)) : kept.target;
  }

  #walk(target: ByteString): WalkEnd {
    const { builder, mostDepth } = this.#options;
    return walk(builder.view, parentPath(target), look, mostDepth);
  }

  #take({ target }: LayerHardlink): LinkTarget {
    const { builder } = this.#options;
    const name = lastName(target);
    if (builder.view.lookup(name)?.type === 'directory') return { kind: 'directory' };
    return { kind: 'file', staged: builder.link(builder.view.target.at(name)) };
  }

  #copy(names: readonly ByteString[], name: ByteString): LinkTarget {
    const { view } = this.#options.builder;
    using below = view.openBelow(names);
    const facts = readFacts(below, name);
    if (facts === undefined) return { kind: 'nothing' };
    let copy = this.#copies.get(facts.identity);
    if (copy === undefined) {
      copy = this.#create(below, name, facts, [...names, name].join('/'));
      this.#copies.set(facts.identity, copy);
    }
    return copy.kind === 'file' ? { ...copy, staged: this.#options.builder.link(copy.staged) } : copy;
  }

  #create(below: Place, name: ByteString, facts: Facts, path: ByteString): LinkTarget {
    const { builder, staging, metadata, losses } = this.#options;
    const staged = builder.newName();
    if (facts.type === 'file') {
      const fd = staging.create(staged);
      try {
        let position = 0;
        for (const chunk of readContent(below, name, facts, path)) {
          writeAll(fd, chunk, position);
          position += chunk.length;
        }
      } finally {
        closeSync(fd);
      }
    } else if (facts.type === 'symlink') {
      symlinkSync(pathBytes(facts.target!), pathBytes(staged));
    } else if (!createSpecialFile(staged, path, specialFile(facts), losses)) {
      return { kind: 'lost' };
    }
    metadata.apply(staged, path, withoutMarks(facts));
    return { kind: 'file', staged };
  }
}

function specialFile({ type, device }: Facts): SpecialFile {
  if (type === 'block' || type === 'character') return { type, ...device! };
  return { type: type === 'socket' ? 'socket' : 'fifo' };
}
