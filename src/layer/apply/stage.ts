import { setImmediate } from 'node:timers/promises';
import type { Warnings } from '../../error/index.ts';
import { type Metadata, type Staging, throwIfAborted } from '../../host/index.ts';
import { type TarEntry, type TarHandler, TarParser } from '../../tar/index.ts';
import type { LayerEntry } from '../entry.ts';
import { formatPlace } from '../error.ts';
import { createExhausted, type LayerLimits } from '../limits.ts';
import { createNormaliser, type Normaliser } from '../normalise.ts';

export interface StageOptions {
  readonly staging: Staging;
  readonly metadata: Metadata;
  readonly layer: number;
  readonly limits: LayerLimits;
  readonly warnings: Warnings;
  readonly signal: AbortSignal | undefined;
}

/** A layer whose files lie in the staging directory, with their metadata, under the positions of their entries. */
export interface StagedLayer {
  readonly entries: readonly LayerEntry[];
  /** Of its files, in bytes. */
  readonly size: number;
}

/**
 * Reads a layer's archive to its end. Nothing but the staging directory changes, so an archive that is no good leaves the
 * target as it was. TarErrors and LayerErrors; memory is linear in the entries.
 */
export async function stageLayer(
  archive: AsyncIterable<Uint8Array>,
  options: StageOptions,
): Promise<StagedLayer> {
  const { limits, layer, warnings, signal } = options;
  const stage = new Stage(options);
  const parser = new TarParser(stage, limits);
  for await (const chunk of archive) {
    throwIfAborted(signal);
    parser.write(chunk);
    // A source that has all its chunks ready would keep signals from coming through.
    await setImmediate();
  }
  throwIfAborted(signal);
  if (!parser.finish().terminated) {
    const message = `layer ${layer} (counted from the oldest, 0 first): the archive has no end blocks, or not all of its padding`;
    warnings.add({ code: 'tar-unterminated', layer, message });
  }
  return stage;
}

class Stage implements TarHandler, StagedLayer {
  readonly entries: LayerEntry[] = [];
  size = 0;
  readonly #options: StageOptions;
  readonly #normalise: Normaliser;
  #inFile = false;

  constructor(options: StageOptions) {
    this.#options = options;
    this.#normalise = createNormaliser(options);
  }

  entry(given: TarEntry): void {
    this.#inFile = false;
    const entry = this.#normalise(given);
    if (entry === undefined) return;
    this.entries.push(entry);
    if (entry.type !== 'file') return;
    const { limits, layer, staging } = this.#options;
    this.size += entry.size;
    if (this.size > limits.totalBytes) {
      const where = formatPlace(layer, entry.path);
      throw createExhausted('totalBytes', { where, limit: limits.totalBytes, actual: this.size });
    }
    staging.begin(this.entries.length - 1, entry.size);
    this.#inFile = true;
  }

  data(chunk: Uint8Array): void {
    if (this.#inFile) this.#options.staging.append(chunk);
  }

  hole(length: number): void {
    if (this.#inFile) this.#options.staging.hole(length);
  }

  end(): void {
    if (!this.#inFile) return;
    this.#inFile = false;
    const { staging, metadata } = this.#options;
    const entry = this.entries.at(-1)!;
    if (entry.type !== 'file') return;
    staging.end((fd, at) => metadata.applyToOpen(fd, at, entry.path, entry));
  }
}
