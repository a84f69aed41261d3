import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type Warnings, wrapErrno } from '../../../error/index.ts';
import { throwIfAborted } from '../../../host/index.ts';
import {
  createExhausted,
  createNormaliser,
  formatPlace,
  type LayerEntry,
  type LayerLimits,
  type Normaliser,
} from '../../../layer/index.ts';
import { type Digest, parseDigest } from '../../../oci/index.ts';
import { Extraction } from '../../../render/ingest/extraction.ts';
import { blockBytes, firstContent } from '../../../stack/index.ts';
import { type TarData, type TarEntry, type TarHandler, TarParser } from '../../../tar/index.ts';

/** A layer whose contents are in a file, in their places, and that has no metadata yet. */
export interface StoredContents {
  readonly entries: readonly LayerEntry[];
  readonly diffId: Digest;
}

export interface TarOptions {
  readonly warnings: Warnings;
  readonly limits: LayerLimits;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes between two looks at the event loop. */
const sliceBytes = 8 * 1024 * 1024;

/**
 * Writes the contents of a layer's tar into the file `path`, made anew, each where `LayerContents` says; nothing else of it is unpacked. Reads the
 * archive to its end. LayerError and TarError for what no layer may have.
 */
export async function extractTar(
  path: string,
  archive: AsyncIterable<Uint8Array>,
  { warnings, limits, signal }: TarOptions,
): Promise<StoredContents> {
  create(path);
  using extraction = new Extraction({ path, start: firstContent, blockBytes });
  const reader = new TarContents(extraction, warnings, limits);
  const hash = createHash('sha256');
  const parser = new TarParser(reader, limits);
  let since = 0;
  for await (const chunk of archive) {
    throwIfAborted(signal);
    hash.update(chunk);
    parser.write(chunk);
    // The chunk is its sender's again, when the next one is asked for.
    extraction.flush();
    since += chunk.length;
    if (since < sliceBytes) continue;
    since = 0;
    await setImmediate();
  }
  throwIfAborted(signal);
  if (!parser.finish().terminated) {
    warnings.add({
      code: 'tar-unterminated',
      message: 'the archive has no end blocks, or not all of its padding',
    });
  }
  return { entries: reader.entries, diffId: parseDigest(`sha256:${hash.digest('hex')}`) };
}

class TarContents implements TarHandler {
  readonly entries: LayerEntry[] = [];
  readonly #extraction: Extraction;
  readonly #limits: LayerLimits;
  readonly #normalise: Normaliser;
  #bytes = 0;
  #isWanted = false;

  constructor(extraction: Extraction, warnings: Warnings, limits: LayerLimits) {
    this.#limits = limits;
    this.#extraction = extraction;
    this.#normalise = createNormaliser({ layer: 0, limits, warnings });
  }

  entry(entry: TarEntry, data: TarData): void {
    this.#isWanted = false;
    const record = this.#normalise(entry, data);
    if (record === undefined) return;
    this.entries.push(record);
    if (record.type !== 'file' || record.size === 0) return;
    this.#bytes += record.size;
    const { totalBytes: limit } = this.#limits;
    if (this.#bytes > limit) {
      throw createExhausted('totalBytes', { where: formatPlace(0, record.path), limit, actual: this.#bytes });
    }
    this.#isWanted = true;
    this.#extraction.begin(record.size, record.segments);
  }

  data(chunk: Uint8Array): void {
    if (this.#isWanted) this.#extraction.data(chunk);
  }

  hole(length: number): void {
    if (this.#isWanted) this.#extraction.hole(length);
  }

  end(): void {}
}

/** Empty, also if a try before has left something there. */
export function create(path: string): void {
  try {
    writeFileSync(path, '', { mode: 0o600 });
  } catch (error) {
    throw wrapErrno(error, `cannot create ${path}`);
  }
}
