import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { emptyFile, type FileData, FileLayout, writeErofs } from '../../../erofs/index.ts';
import { type Warnings, wrapErrno } from '../../../error/index.ts';
import { HostError, startWriteback, throwIfAborted, writeAll } from '../../../host/index.ts';
import { ImageOutput } from '../../../stack/image-output.ts';
import { blockBytes, firstContent } from '../../../stack/index.ts';
import { type FileInode, printable, type Tree } from '../../../tree/index.ts';

/** A file's content, wherever it is: its bytes from front to back, in chunks that are valid until the next is asked for. */
export interface ReadableContent {
  read(): Iterable<Uint8Array>;
}

/** A layer that is not written yet: as OverlayFS wants it, with whiteouts and opaque directories. */
export interface LayerSource {
  readonly tree: Tree<ReadableContent>;
}

/** Bytes between two looks at the event loop, and between two hints to the disk. */
const sliceBytes = 16 * 1024 * 1024;
const zeros = Buffer.alloc(1024 * 1024);

/**
 * Writes a layer into the empty file `path`, contents first, in the order of the tree. The bytes follow from the tree and the contents. What is zeros takes no
 * room on the disk. Not synced. HostError `conflict` if a file is not as long as the tree says: somebody has written to it.
 */
export async function writeLayer(
  path: string,
  { tree }: LayerSource,
  { warnings, signal }: { readonly warnings: Warnings; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const layout = new FileLayout(blockBytes, firstContent);
  const hash = createHash('sha256');
  const places = new Map<ReadableContent, FileData>();
  const file = open(path);
  try {
    let done = 0;
    for (const { inode, path: name } of tree.nodes) {
      if (inode.type !== 'file' || inode.size === 0) continue;
      throwIfAborted(signal);
      const place = layout.place(inode.size);
      places.set(inode.content, place);
      const start = place.kind === 'plain' ? place.start : 0;
      let at = 0;
      for (const chunk of inode.content.read()) {
        hash.update(chunk);
        if (at + chunk.length > inode.size) throw changed(name);
        if (!isZero(chunk)) write(file, path, chunk, start + at);
        at += chunk.length;
        if (start + at - done < sliceBytes) continue;
        startWriteback(file, done, start + at - done);
        done = start + at;
        await setImmediate();
        throwIfAborted(signal);
      }
      if (at !== inode.size) throw changed(name);
    }
  } finally {
    closeSync(file);
  }
  const dataOf = ({ size, content }: FileInode<ReadableContent>) =>
    size === 0 ? emptyFile : places.get(content)!;
  using output = new ImageOutput(path, layout.end);
  const identity = hash.digest();
  output.finish(writeErofs(output, tree, { blockSize: blockBytes, identity, dataOf, warnings }));
}

function open(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw wrapErrno(error, `cannot open ${path}`);
  }
}

function write(file: number, path: string, chunk: Uint8Array, position: number): void {
  try {
    writeAll(file, chunk, position);
  } catch (error) {
    throw wrapErrno(error, `cannot write ${path}`);
  }
}

function isZero(chunk: Uint8Array): boolean {
  return chunk.length <= zeros.length && zeros.compare(chunk, 0, chunk.length, 0, chunk.length) === 0;
}

function changed(name: string): HostError {
  return new HostError('conflict', `/${printable(name)} was changed while it was read`, {
    detail: { path: printable(name) },
    hint: 'unmount the snapshot before it is committed',
  });
}
