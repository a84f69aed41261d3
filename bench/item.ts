import { open } from 'node:fs/promises';
import { endOfArchive, formatHeader, padding, type TarEntry } from '../src/tar/index.ts';
import { noXattrs } from '../src/tree/index.ts';

/** One entry of a layer that is still to be written, and where its bytes will come from. */
export interface Item {
  readonly entry: TarEntry;
  readonly content?: () => AsyncIterable<Uint8Array>;
}

/** A layer of whole-second times, as image builders write them; hardlinks come after their targets. */
export type Items = readonly Item[];

const plain: Omit<TarEntry, 'type' | 'path'> = {
  linkpath: '',
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
  major: 0,
  minor: 0,
  xattrs: noXattrs,
};

export function createItem(
  entry: Pick<TarEntry, 'type' | 'path'> & Partial<TarEntry>,
  content?: Item['content'],
): Item {
  const mode = entry.type === 'directory' ? 0o755 : plain.mode;
  return { entry: { ...plain, mode, ...entry }, ...(content && { content }) };
}

export function createFile(path: string, bytes: Uint8Array): Item {
  return createItem({ type: 'file', path, size: bytes.length }, async function* () {
    yield bytes;
  });
}

/** `path` is what disappears: the `.wh.` is put in front of its last component here. */
export function createWhiteout(path: string): Item {
  return createItem({ type: 'file', path: path.replace(/[^/]*$/, '.wh.$&') });
}

export function createOpaque(directory: string): Item {
  return createItem({ type: 'file', path: `${directory}/.wh..wh..opq` });
}

/** A file of this machine as it is now; `size` bytes whatever happens to it meanwhile, as the header promises. */
export async function* readFileOf(file: string, size: number): AsyncGenerator<Uint8Array> {
  await using handle = await open(file);
  for (let left = size; left > 0; ) {
    const chunk = Buffer.allocUnsafe(Math.min(left, 1_048_576));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, size - left);
    if (bytesRead === 0) chunk.fill(0);
    const length = bytesRead || chunk.length;
    yield chunk.subarray(0, length);
    left -= length;
  }
}

/** The layer as a tar, in chunks large enough for hashing and compression to run well. */
export async function* writeTar(items: Items): AsyncGenerator<Uint8Array> {
  let small: Uint8Array[] = [];
  let pending = 0;
  for await (const chunk of chunksOf(items)) {
    small.push(chunk);
    pending += chunk.length;
    if (pending < 524_288) continue;
    yield Buffer.concat(small);
    small = [];
    pending = 0;
  }
  yield Buffer.concat([...small, endOfArchive]);
}

async function* chunksOf(items: Items): AsyncGenerator<Uint8Array> {
  for (const { entry, content } of items) {
    yield formatHeader(entry);
    if (entry.size === 0 || content === undefined) continue;
    yield* content();
    yield padding(entry.size);
  }
}

/**
 * What the layers amount to, as one layer: for peers that take a single tar. Knows only what the recipes here make: plain
 * paths, and no whiteout of a file that has a second name.
 */
export function flatten(layers: readonly Items[]): Items {
  const merged = new Map<string, Item>();
  const hide = (prefix: string) => {
    for (const path of merged.keys()) if (path.startsWith(prefix)) merged.delete(path);
  };
  for (const items of layers) {
    for (const { entry } of items) {
      const [, parent, name] = /^(.*\/)?\.wh\.([^/]+)$/.exec(entry.path) ?? [];
      if (name === undefined) continue;
      if (name !== '.wh..opq') merged.delete(`${parent ?? ''}${name}`);
      hide(name === '.wh..opq' ? (parent ?? '') : `${parent ?? ''}${name}/`);
    }
    for (const item of items) {
      if (!/(^|\/)\.wh\./.test(item.entry.path)) merged.set(item.entry.path, item);
    }
  }
  return [...merged.values()];
}
