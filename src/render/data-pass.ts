import type { SlabPool } from '../bytes/pool/index.ts';
import { ShaleError, type WarningReport, type Warnings } from '../error/index.ts';
import { createExhausted, decodeEntries, type LayerEntry, type LayerLimits } from '../layer/index.ts';
import type { Digest } from '../oci/index.ts';
import type { LayerReading } from './ingest/ingest-pool.ts';
import { type IngestBatch, ingestEvent } from './ingest/protocol.ts';
import type { Sink } from './sink/sink.ts';

/** Called as a layer is read: bytes of its blob so far. */
export type LayerProgress = (layer: number, read: number) => void;

export interface DataPassOptions {
  readonly slabs: SlabPool;
  readonly sinks: readonly Sink[];
  readonly limits: LayerLimits;
  readonly warnings: Warnings;
  readonly onProgress: LayerProgress;
  /** Told how far the file is written that a layer is kept in. */
  readonly onKept?: LayerProgress | undefined;
  /** Throws when the work has failed meanwhile: asked after every wait, for the sinks may be closed by then. */
  readonly check: () => void;
  /** Whether layers are read for the first time: then they count for the limits, and their warnings are heard. */
  readonly first: boolean;
  /** The number of the first content. */
  readonly firstId: number;
}

/** A layer that was read to its end: its index, and the digests of its files if they were asked for. */
export interface ReadLayer {
  readonly entries: readonly LayerEntry[];
  /** sha256 of each file's content, 32 bytes each, in order. */
  readonly digests: Uint8Array;
  readonly compression: string;
  /** Bytes, uncompressed. */
  readonly size: number;
  /** Of reading it. */
  readonly warnings: WarningReport;
  /** Of the file that its tar was put into by this reading. */
  readonly teeDigest?: Digest | undefined;
}

/**
 * Hands the wanted contents of layers to the sinks, one layer after the other, and numbers them in that order. What a
 * layer's index and the wish decide is all that the order depends on, so it is the same at any number of threads.
 */
export class DataPass {
  readonly #options: DataPassOptions;
  #nextId: number;
  #produced = 0;
  #fileBytes = 0;
  #entries = 0;

  constructor(options: DataPassOptions) {
    this.#options = options;
    this.#nextId = options.firstId;
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** Reads one layer to its end. `wants` says of each file whether the sinks get it; `taken` hears under which id. */
  async read(
    reading: LayerReading,
    wants: (entry: LayerEntry, position: number) => boolean,
    taken: (position: number, id: number) => void,
  ): Promise<ReadLayer> {
    const { sinks, slabs, onProgress, check } = this.#options;
    const entries: LayerEntry[] = [];
    const digests: Uint8Array[] = [];
    const state = { left: 0 };
    let read = 0;
    const next = async () => {
      // Before the first batch too: a sink needs room of its own for what comes.
      for (const sink of sinks) {
        await sink.ready();
        check();
      }
      const batch = await reading.next();
      check();
      return batch;
    };
    for (let batch = await next(); batch !== undefined; batch = await next()) {
      for (const entry of decodeEntries(batch.entries)) {
        entries.push(entry);
        if (entry.type === 'file') this.#fileBytes += entry.size;
      }
      if (batch.digests.length > 0) digests.push(batch.digests);
      if (this.#options.first) this.#count(batch);
      this.#play(batch.events, state, entries, wants, taken);
      if (batch.slab !== undefined) slabs.release(batch.slab);
      read += batch.read;
      onProgress(reading.layer, read);
      this.#options.onKept?.(reading.layer, batch.kept);
    }
    if (state.left > 0) throw new ShaleError('internal', `layer ${reading.layer} ended inside a file`);
    const { compression, size, warnings, teeDigest } = reading.end!;
    if (this.#options.first) this.#options.warnings.absorb(warnings);
    return { entries, digests: Buffer.concat(digests), compression, size, warnings, teeDigest };
  }

  /** Takes a layer over that was read before: it counts for the limits, and its warnings are heard. */
  recall({ entries, size, warnings }: ReadLayer): void {
    for (const entry of entries) if (entry.type === 'file') this.#fileBytes += entry.size;
    this.#count({ produced: size, entryCount: entries.length });
    this.#options.warnings.absorb(warnings);
  }

  #play(
    events: Float64Array,
    state: { left: number },
    entries: readonly LayerEntry[],
    wants: (entry: LayerEntry, position: number) => boolean,
    taken: (position: number, id: number) => void,
  ): void {
    const { sinks } = this.#options;
    for (let at = 0; at < events.length; ) {
      const kind = events[at]!;
      const first = events[at + 1]!;
      if (kind === ingestEvent.file) {
        at += 2;
        const entry = entries[first]!;
        state.left = 0;
        if (entry.type !== 'file' || !wants(entry, first)) continue;
        const id = this.#nextId++;
        taken(first, id);
        for (const sink of sinks) sink.begin(id, entry.size, entry.segments);
        state.left = entry.size;
        continue;
      }
      const length = kind === ingestEvent.data ? events[at + 2]! : first;
      at += kind === ingestEvent.data ? 3 : 2;
      if (state.left === 0) continue;
      for (const sink of sinks) {
        if (kind === ingestEvent.data) sink.data(first, length);
        else sink.hole(length);
      }
      state.left -= length;
      if (state.left === 0) for (const sink of sinks) sink.end();
    }
  }

  /** The limits that hold for all layers together. */
  #count({ produced, entryCount }: Pick<IngestBatch, 'produced' | 'entryCount'>): void {
    const { limits } = this.#options;
    this.#produced += produced;
    this.#entries += entryCount;
    const where = 'the image';
    // Archives are larger than their files, but for holes, which count as what they stand for.
    const actual = Math.max(this.#produced, this.#fileBytes);
    if (actual > limits.totalBytes) {
      throw createExhausted('totalBytes', { where, limit: limits.totalBytes, actual });
    }
    if (this.#entries > limits.entries) {
      throw createExhausted('entries', { where, limit: limits.entries, actual: this.#entries });
    }
  }
}
