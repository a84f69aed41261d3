import type { ByteString } from '../tree/index.ts';
import type { PlainData } from './data.ts';
import { DirectoryBlock, readEntries, type StoredEntry } from './directory-block.ts';
import type { StoredDirectory, StoredInline } from './inode-reader.ts';
import { corrupt, type MetadataReader } from './metadata-reader.ts';

export interface DirectoryReaderOptions {
  readonly metadata: MetadataReader;
  /** In bytes. */
  readonly blockSize: number;
  /** The content of a compressed directory. */
  readonly read: (directory: StoredDirectory) => Iterable<Uint8Array>;
}

/** Reads the directories of an image. Throws ErofsError `corrupt`, at the latest when the part in question is read. */
export class DirectoryReader {
  readonly #metadata: MetadataReader;
  readonly #blockSize: number;
  readonly #read: DirectoryReaderOptions['read'];

  constructor({ metadata, blockSize, read }: DirectoryReaderOptions) {
    this.#metadata = metadata;
    this.#blockSize = blockSize;
    this.#read = read;
  }

  /**
   * What stands in a directory, in byte order of the names. Checks that `.` and `..` are there and right, as far as is known, and
   * leaves them out.
   */
  *entries(directory: StoredDirectory, parent?: StoredDirectory): Generator<StoredEntry, void, undefined> {
    const { nid, position } = directory;
    let special = 0;
    for (const entry of readEntries(this.#blocks(directory), position)) {
      if (entry.name !== '.' && entry.name !== '..') {
        yield entry;
        continue;
      }
      special += 1;
      const right = entry.name === '.' ? nid : parent?.nid;
      if (right !== undefined && entry.nid !== right) {
        throw corrupt('directory', position, `${entry.name} is inode ${entry.nid}, not ${right}`);
      }
    }
    if (special < 2) throw corrupt('directory', position, 'it has no . or no ..');
  }

  /** One name, `.` and `..` too: reads as many blocks as halving takes, or all of a compressed directory. */
  find(directory: StoredDirectory, name: ByteString): StoredEntry | undefined {
    const { size, content, position } = directory;
    if (content.kind !== 'plain' && content.kind !== 'inline') {
      for (const entry of readEntries(this.#blocks(directory), position)) {
        if (entry.name === name) return entry;
      }
      return undefined;
    }
    const block = (index: number) =>
      new DirectoryBlock(this.#block(directory, content, index * this.#blockSize), position);
    // The last block whose first name is not behind the one that is looked for.
    let from = 0;
    for (let to = Math.ceil(size / this.#blockSize); to - from > 1; ) {
      const middle = Math.floor((from + to) / 2);
      if (block(middle).name(0) <= name) from = middle;
      else to = middle;
    }
    if (size === 0) return undefined;
    const found = block(from);
    const index = found.find(name);
    return index === undefined ? undefined : found.entry(index);
  }

  /** A directory's content, block by block. */
  *#blocks(directory: StoredDirectory): Generator<Buffer, void, undefined> {
    const { size, content } = directory;
    const blockSize = this.#blockSize;
    if (content.kind === 'plain' || content.kind === 'inline') {
      for (let offset = 0; offset < size; offset += blockSize) yield this.#block(directory, content, offset);
      return;
    }
    // Compressed ones are rare and not large.
    let rest = Buffer.alloc(0);
    for (const chunk of this.#read(directory)) {
      rest = Buffer.concat([rest, chunk]);
      const whole = rest.length - (rest.length % blockSize);
      for (let at = 0; at < whole; at += blockSize) yield rest.subarray(at, at + blockSize);
      rest = rest.subarray(whole);
    }
    if (rest.length > 0) yield rest;
  }

  #block({ size }: StoredDirectory, content: PlainData | StoredInline, offset: number): Buffer {
    const length = Math.min(this.#blockSize, size - offset);
    const isTail = content.kind === 'inline' && length < this.#blockSize;
    return this.#metadata.take('directory', isTail ? content.tail : content.start + offset, length);
  }
}
