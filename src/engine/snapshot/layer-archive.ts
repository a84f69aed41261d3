import type { ImageLayer } from '../../archive/index.ts';
import { type Bytes, decompressed, readLocation, verified } from '../../content/index.ts';
import { type UnpackedBlob, UnpackThread } from '../../content/thread/unpack-thread.ts';
import { parallelism } from '../../host/index.ts';
import type { LayerLimits } from '../../layer/index.ts';

export interface LayerArchiveOptions {
  readonly limits: LayerLimits;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that were read so far of the blob of a layer, by its position. */
  readonly onRead?: ((position: number, read: number) => void) | undefined;
}

/** For less a thread is not worth its start: compressed, in bytes. */
const leastShared = 8 * 1024 * 1024;

/**
 * Layers' archives, uncompressed; whoever has read one's end has read what blob digest, size and diffID say. Where there is a second
 * processor and something to do for it, a thread reads, verifies and decompresses, and is ahead of the caller by some MiB.
 */
export class LayerArchives implements AsyncDisposable {
  /** Those that are still to be asked for. */
  readonly #wanted: (readonly [position: number, layer: ImageLayer])[];
  readonly #options: LayerArchiveOptions;
  readonly #requested = new Map<number, UnpackedBlob>();
  readonly #thread: UnpackThread | undefined;

  /** `wanted`: by their positions, in the order in which they will be opened, or left out. */
  constructor(
    wanted: Iterable<readonly [position: number, layer: ImageLayer]>,
    options: LayerArchiveOptions,
  ) {
    this.#wanted = [...wanted];
    this.#options = options;
    const size = this.#wanted.reduce((sum, [, layer]) => sum + layer.size, 0);
    this.#thread = size >= leastShared && parallelism() > 1 ? new UnpackThread() : undefined;
  }

  /** One that is not wanted can be opened all the same, and is read by this thread. */
  open(position: number, layer: ImageLayer): Bytes {
    const index = this.#wanted.findIndex(([each]) => each === position);
    if (index < 0) return this.#read(position, layer);
    const passed = this.#wanted.splice(0, index + 1).slice(0, -1);
    for (const [each] of passed) this.#requested.get(each)?.[Symbol.dispose]();
    if (this.#thread === undefined) return this.#read(position, layer);
    const archive = this.#request(this.#thread, position, layer);
    const next = this.#wanted[0];
    if (next !== undefined) this.#request(this.#thread, ...next);
    return archive;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
  }

  #request(thread: UnpackThread, position: number, layer: ImageLayer): UnpackedBlob {
    const requested = this.#requested.get(position);
    if (requested !== undefined) return requested;
    const { signal, onRead } = this.#options;
    const blob = thread.read({
      ...{ blob: layer.locate(), digest: layer.digest, signal, ...this.#describe(layer) },
      onRead: read => onRead?.(position, read),
    });
    this.#requested.set(position, blob);
    return blob;
  }

  async *#read(position: number, layer: ImageLayer): Bytes {
    const { digest, size } = layer;
    const { signal, onRead } = this.#options;
    const options = this.#describe(layer);
    const blob = readLocation(await layer.locate(), { signal });
    const source = digest === undefined ? blob : verified(blob, { digest, size }, options.what);
    yield* decompressed(
      count(source, read => onRead?.(position, read)),
      options,
    );
  }

  #describe({ digest, diffId }: ImageLayer) {
    const { ratio, ratioFloor } = this.#options.limits;
    return { diffId, ratio: { most: ratio, floor: ratioFloor }, what: `layer ${digest ?? diffId}` };
  }
}

async function* count(blob: Bytes, onRead: (read: number) => void): Bytes {
  let read = 0;
  for await (const chunk of blob) {
    yield chunk;
    read += chunk.length;
    onRead(read);
  }
}
