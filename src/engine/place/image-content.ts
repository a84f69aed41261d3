import { ShaleError } from '../../error/index.ts';
import { decodeEntries } from '../../layer/index.ts';
import type { Content } from '../../merge/index.ts';
import { Workbench } from '../../render/index.ts';
import { ingestEvent } from '../../render/ingest/protocol.ts';
import type { IndexedImage } from '../layers.ts';
import type { ImageOptions } from '../options.ts';

const zeroBytes = 256 * 1024;

/** Reads one file's content out of its layer, which is read again from its beginning up to the file's end. */
export async function* readContent(
  { image, limits, signal }: IndexedImage,
  { layer, entry: wanted }: Content,
  { memory }: ImageOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using bench = new Workbench({ jobs: 1, layers: 1, outputs: 0, memory, signal });
  const { slabs, ingest } = bench;
  const source = image.layers[layer]!;
  const { digest, diffId } = source;
  const request = { layer, digest, diffId, limits, strict: false, data: true, digests: false } as const;
  const blob = source.locate();
  const reading = ingest.read({ kind: 'layer', ...request }, blob);
  let left: number | undefined;
  let first = 0;
  let sizes: number[] = [];
  for (;;) {
    const batch = await bench.race(reading.next());
    if (batch === undefined) break;
    if (first <= wanted) {
      sizes = [...decodeEntries(batch.entries)].map(entry => (entry.type === 'file' ? entry.size : 0));
    }
    const { events, slab } = batch;
    for (let at = 0; at < events.length && left !== 0; ) {
      const kind = events[at]!;
      const operand = events[at + 1]!;
      if (kind === ingestEvent.file) {
        at += 2;
        if (operand === wanted) left = sizes[wanted - first]!;
        continue;
      }
      const length = kind === ingestEvent.data ? events[at + 2]! : operand;
      at += kind === ingestEvent.data ? 3 : 2;
      if (left === undefined) continue;
      left -= length;
      if (kind === ingestEvent.data) yield slabs.bytes.slice(operand, operand + length);
      else yield* zeros(length);
    }
    if (slab !== undefined) slabs.release(slab);
    first += batch.entryCount;
    if (left === 0) return;
  }
  throw new ShaleError('conflict', `${(await blob).path} is not the layer any more that it was`, {
    detail: { layer, digest, diffId },
  });
}

function* zeros(length: number): Generator<Uint8Array, void, undefined> {
  for (let left = length; left > 0; left -= zeroBytes) yield new Uint8Array(Math.min(left, zeroBytes));
}
