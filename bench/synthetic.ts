import { createFile, createItem, createWhiteout, type Item, type Items } from './item.ts';

/**
 * Content that costs nothing to make and compresses about as text does: words of a fixed vocabulary in the order of a
 * linear congruence. `createNumbers` gives the same sequence on every machine.
 */
const poolSize = 4 * 1_048_576;

function createNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    // Numerical Recipes' constants; the product stays within 2^53.
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return Math.floor(state / 65_536);
  };
}

function createPool(): Buffer {
  const numbers = createNumbers(1);
  const words = Array.from({ length: 4096 }, () =>
    Array.from({ length: 2 + (numbers() % 9) }, () => String.fromCharCode(97 + (numbers() % 26))).join(''),
  );
  const parts: string[] = [];
  for (let length = 0; length < poolSize; ) {
    const word = words[numbers() % words.length]!;
    parts.push(word);
    length += word.length + 1;
  }
  return Buffer.from(parts.join(' ')).subarray(0, poolSize);
}

/** `count` files of up to 8 KiB, a hundred to a directory, no two alike. */
export function createSmallFiles(count: number): Items {
  const pool = createPool();
  const numbers = createNumbers(2);
  const items: Item[] = [];
  for (let index = 0; index < count; index++) {
    const directory = `small/${String(Math.floor(index / 100)).padStart(5, '0')}`;
    if (index === 0) items.push(createItem({ type: 'directory', path: 'small' }));
    if (index % 100 === 0) items.push(createItem({ type: 'directory', path: directory }));
    const start = numbers() * 32;
    const text = pool.subarray(start, start + (numbers() % 8192));
    items.push(createFile(`${directory}/${index}`, Buffer.concat([Buffer.from(`${index}\n`), text])));
  }
  return items;
}

/** `count` layers of forty files; each replaces, deletes and hard-links something of the layer below it. */
export function createManyLayers(count: number): readonly Items[] {
  const pool = createPool();
  return Array.from({ length: count }, (_, layer) => {
    const own = `layers/${layer}`;
    const below = `layers/${layer - 1}`;
    const items = ['layers', own].map(path => createItem({ type: 'directory', path }));
    for (let index = 0; index < 40; index++) {
      const start = ((layer * 40 + index) * 2000) % (poolSize - 2000);
      items.push(
        createFile(
          `${own}/${index}`,
          Buffer.concat([Buffer.from(`${layer}/${index}\n`), pool.subarray(start, start + 2000)]),
        ),
      );
    }
    if (layer === 0) return items;
    items.push(createFile(`${below}/0`, Buffer.from(`replaced by layer ${layer}\n`)));
    items.push(createWhiteout(`${below}/1`));
    items.push(createItem({ type: 'hardlink', path: `${own}/link`, linkpath: `${below}/2` }));
    return items;
  });
}

/**
 * One file of `size` bytes, no block of it all zeros or equal to another: a quarter words, the rest a short pattern that
 * repeats, and a number every 4 KiB. Compresses some twelve to one, so that it is quick to make.
 */
export function createHugeFile(path: string, size: number): Item {
  return createItem({ type: 'file', path, size }, async function* () {
    const chunk = Buffer.alloc(1_048_576, 'shale ');
    const pool = createPool();
    for (let offset = 0; offset < size; offset += chunk.length) {
      for (let at = 0; at < chunk.length; at += 65_536) {
        const from = (offset + at * 7) % (poolSize - 16_384);
        pool.copy(chunk, at, from, from + 16_384);
      }
      for (let at = 0; at < chunk.length; at += 4096) chunk.writeDoubleLE(offset + at, at);
      // A copy, for the consumer may still be reading when the next one is made.
      yield Buffer.from(chunk.subarray(0, Math.min(chunk.length, size - offset)));
    }
  });
}
