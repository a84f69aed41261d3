import { createCipheriv, createHash } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createItem, type Item, writeTar } from '../item.ts';

/** How much there is of everything. */
export interface Extent {
  /** Of the image. */
  readonly layers: number;
  readonly filesPerLayer: number;
  /** Files that are written to, in bytes. They are in the uppermost layer: some drivers copy each layer with all below it. */
  readonly written: readonly number[];
  /** Of the layer of small files. */
  readonly smallFiles: number;
  /** Of the layer of large files: how many, and bytes of each. */
  readonly largeFiles: number;
  readonly largeFile: number;
  /** Files that are written anew, 4 KiB each, and bytes of the large one. */
  readonly newFiles: number;
  readonly newFile: number;
}

export const small = 4096;
const mebibyte = 1_048_576;

export const fullExtent: Extent = {
  ...{ layers: 10, filesPerLayer: 2000, written: [small, mebibyte, 64 * mebibyte, 512 * mebibyte] },
  ...{ smallFiles: 10_000, largeFiles: 4, largeFile: 128 * mebibyte },
  ...{ newFiles: 5000, newFile: 256 * mebibyte },
};

/** A hundredth: to see whether it all runs. */
export const tinyExtent: Extent = {
  ...{ layers: 3, filesPerLayer: 50, written: [small, mebibyte, 4 * mebibyte, 16 * mebibyte] },
  ...{ smallFiles: 100, largeFiles: 2, largeFile: 4 * mebibyte },
  ...{ newFiles: 50, newFile: 4 * mebibyte },
};

/** Tars, uncompressed. */
export interface Layers {
  /** Of the image, the lowest first. */
  readonly image: readonly string[];
  readonly small: string;
  readonly large: string;
}

/** The name of a file that is written to, by its size. */
export const writtenName = (size: number) => `written/${size}`;

/** Of one more, which is written to before them. */
export const unmeasuredName = 'written/unmeasured';

/** The same bytes each time. Half of what is in the files compresses, half does not. */
export async function createLayers(extent: Extent, directory: string): Promise<Layers> {
  mkdirSync(directory, { recursive: true });
  const tar = async (name: string, items: readonly Item[]) => {
    const file = path.join(directory, `${name}.tar`);
    await pipeline(writeTar(items), createWriteStream(file));
    return file;
  };
  const image: string[] = [];
  for (let layer = 0; layer < extent.layers; layer++) {
    const files = spread(`tree/${layer % 4}/layer${layer}`, extent.filesPerLayer, index =>
      sizeOf(layer * extent.filesPerLayer + index),
    );
    const sizes = extent.written.map(size => fileItem(writtenName(size), size));
    const written = [directoryItem('written'), fileItem(unmeasuredName, small), ...sizes];
    image.push(await tar(`image-${layer}`, layer === extent.layers - 1 ? [...files, ...written] : files));
  }
  const large = Array.from({ length: extent.largeFiles }, (_, index) =>
    fileItem(`large/${index}`, extent.largeFile),
  );
  return {
    image,
    small: await tar(
      'small',
      spread('small', extent.smallFiles, () => small),
    ),
    large: await tar('large', [directoryItem('large'), ...large]),
  };
}

/** Files in directories of a hundred, with all directories above them. */
function spread(top: string, count: number, size: (index: number) => number): readonly Item[] {
  const items: Item[] = top
    .split('/')
    .map((_, index, names) => directoryItem(names.slice(0, index + 1).join('/')));
  for (let index = 0; index < count; index++) {
    const parent = `${top}/${Math.floor(index / 100)}`;
    if (index % 100 === 0) items.push(directoryItem(parent));
    items.push(fileItem(`${parent}/file${index % 100}`, size(index)));
  }
  return items;
}

/** As root filesystems have them: most below a page, some of some ten pages. */
function sizeOf(index: number): number {
  const draw = createHash('sha1').update(`size ${index}`).digest().readUInt32BE() / 2 ** 32;
  return Math.floor(256 * 256 ** (draw ** 1.6));
}

function directoryItem(name: string): Item {
  return createItem({ type: 'directory', path: name });
}

function fileItem(name: string, size: number): Item {
  return createItem({ type: 'file', path: name, size }, () => content(name, size));
}

const piece = 65_536;
/** Noise that is the same each time. */
const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(16 * mebibyte),
);

async function* content(name: string, size: number): AsyncGenerator<Uint8Array> {
  const start = createHash('sha1').update(name).digest().readUInt32BE();
  for (let done = 0; done < size; done += piece) {
    const chunk = Buffer.alloc(Math.min(size - done, piece), `${name} is a file of this benchmark. `);
    // In turns of a KiB.
    for (let at = 0; at < chunk.length; at += 2048) {
      const from = (start + done + at) % (noise.length - 1024);
      noise.copy(chunk, at, from, from + Math.min(1024, chunk.length - at));
    }
    yield chunk;
  }
}
