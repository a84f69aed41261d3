import { createHash, type Hash } from 'node:crypto';
import { Warnings } from '../../error/index.ts';
import { createNormaliser, type LayerEntry, type LayerLimits } from '../../layer/index.ts';
import { merge } from '../../merge/index.ts';
import type { TarEntry, TarHandler } from '../../tar/index.ts';
import type { ByteString } from '../../tree/index.ts';
import { readTarFile } from '../tar-file.ts';
import type { Artifact } from './artifact.ts';
import { digestBytes } from './content-digests.ts';
import type { Pace } from './pace.ts';

/** A record of an archive that a root filesystem cannot have: it would delete something, or be taken for such. */
export interface Stray {
  readonly path: ByteString;
  readonly what: string;
}

/** Reads an archive, compressed or not, as what it leaves when it is extracted over nothing. */
export async function readTarArtifact(path: string, pace: Pace, limits: LayerLimits): Promise<Artifact> {
  const archive = new Archive(limits);
  for (const _ of readTarFile(path, limits, archive)) if (pace.isDue) await pace.rest();
  return archive.result();
}

/** The archive as a single layer. */
class Archive implements TarHandler {
  readonly #normalise: (entry: TarEntry) => LayerEntry | undefined;
  readonly #entries: LayerEntry[] = [];
  /** By the position of the entry. */
  readonly #digests = new Map<number, Uint8Array>();
  readonly #strays: Stray[] = [];
  #hash: Hash | undefined;

  constructor(limits: LayerLimits) {
    // Paths that go through symlinks in a layer are longer once they are resolved.
    const lengths = { pathBytes: Number.POSITIVE_INFINITY, pathDepth: Number.POSITIVE_INFINITY };
    this.#normalise = createNormaliser({
      layer: 0,
      limits: { ...limits, ...lengths },
      warnings: new Warnings(),
    });
  }

  entry(entry: TarEntry): void {
    const record = this.#normalise(entry);
    if (record === undefined || record.type === 'whiteout' || record.type === 'opaque') {
      this.#strays.push({ path: entry.path, what: record?.type ?? `${entry.type} that no image can have` });
      return;
    }
    // A normaliser leaves out attributes that steer OverlayFS. Here they must not go unseen.
    this.#entries.push('xattrs' in record ? { ...record, xattrs: entry.xattrs } : record);
    if (record.type === 'file') this.#hash = createHash('sha256');
  }

  data(chunk: Uint8Array): void {
    this.#hash?.update(chunk);
  }

  hole(length: number): void {
    if (this.#hash === undefined) return;
    for (let left = length; left > 0; left -= zeros.length) {
      this.#hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    }
  }

  end(): void {
    if (this.#hash === undefined) return;
    this.#digests.set(this.#entries.length - 1, this.#hash.digest());
    this.#hash = undefined;
  }

  result(): Artifact {
    const created = { seconds: 0, nanoseconds: 0 };
    const tree = merge([{ entries: this.#entries }], { created, warnings: new Warnings() });
    const digests = new Uint8Array(tree.nodes.length * digestBytes);
    for (const { inode, index } of tree.nodes) {
      if (inode.type === 'file') digests.set(this.#digests.get(inode.content.entry)!, index * digestBytes);
    }
    return { tree, digests, strays: this.#strays };
  }
}

const zeros = new Uint8Array(64 * 1024);
