import { Warnings } from '../../error/index.ts';
import { createNormaliser, type LayerEntry, type LayerLimits } from '../../layer/index.ts';
import { type Content, merge } from '../../merge/index.ts';
import type { TarEntry, TarHandler } from '../../tar/index.ts';
import type { Tree } from '../../tree/index.ts';
import { readTarFile } from '../tar-file.ts';

const chunkBytes = 256 * 1024;

/** An archive's tree, as it is when it is extracted over nothing. */
export function readTarTree(path: string, limits: LayerLimits): Tree<Content> {
  const warnings = new Warnings();
  const normalise = createNormaliser({ layer: 0, limits, warnings });
  const entries: LayerEntry[] = [];
  const nothing = () => {};
  const entry = (record: TarEntry) => {
    const normal = normalise(record);
    if (normal !== undefined) entries.push(normal);
  };
  for (const _ of readTarFile(path, limits, { entry, data: nothing, hole: nothing, end: nothing }));
  return merge([{ entries }], { created: { seconds: 0, nanoseconds: 0 }, warnings, limits });
}

/** Content of the entry with this position, found by reading the archive up to its end. */
export function* readTarContent(
  path: string,
  limits: LayerLimits,
  { entry: wanted }: Content,
): Generator<Uint8Array, void, undefined> {
  const normalise = createNormaliser({ layer: 0, limits, warnings: new Warnings() });
  let position = -1;
  let chunks: Uint8Array[] = [];
  let isDone = false;
  const handler: TarHandler = {
    entry(record) {
      if (normalise(record) !== undefined) position += 1;
      else if (position === wanted) isDone = true;
    },
    data(chunk) {
      if (position === wanted && !isDone) chunks.push(new Uint8Array(chunk));
    },
    hole(length) {
      if (position !== wanted || isDone) return;
      for (let left = length; left > 0; left -= chunkBytes)
        chunks.push(zeros.subarray(0, Math.min(left, chunkBytes)));
    },
    end() {
      if (position === wanted) isDone = true;
    },
  };
  for (const _ of readTarFile(path, limits, handler)) {
    yield* chunks;
    chunks = [];
    if (isDone) return;
  }
}

const zeros = new Uint8Array(chunkBytes);
