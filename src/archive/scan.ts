import type { FileHandle } from 'node:fs/promises';
import { ArchiveError, checkAbort } from './error.ts';
import { blockSize, type MemberHeader, parseHeader, parseRecords } from './header.ts';

/** Names and link targets of an archive's members may take so many bytes together; images have some kilobytes. */
const nameLimit = 32 * 1024 * 1024;
/** Bytes of one pax header or long name. */
const recordLimit = 1024 * 1024;
const windowSize = 64 * 1024;

/** What a name in an archive stands for. Offset and size in bytes. */
export type Member =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'other'; readonly what: string };

/** Without `.`, doubled slashes and a leading one, `..` resolved; `undefined` if it leads out of the archive. */
export function normalizeName(name: string): string | undefined {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined;
    if (part !== '' && part !== '.' && part !== '..') parts.push(part);
  }
  return parts.join('/');
}

/** One pass over the headers of an open tar file; `path` names it in errors, `size` is its length in bytes. */
export class MemberScan {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #end: number;
  readonly #window = Buffer.allocUnsafeSlow(windowSize);
  #windowStart = 0;
  #windowLength = 0;
  readonly #members = new Map<string, Member>();
  #nameBytes = 0;
  /** Records for the next member, and those for all that follow; only of the keys that matter here. */
  #records = new Map<string, string>();
  #globals = new Map<string, string>();

  constructor(file: FileHandle, path: string, size: number) {
    this.#file = file;
    this.#path = path;
    this.#end = size;
  }

  async run(signal: AbortSignal | undefined): Promise<ReadonlyMap<string, Member>> {
    let position = 0;
    await this.#requireTar();
    while (position < this.#end) {
      checkAbort(signal);
      if (this.#end - position < blockSize) throw this.#cut(position);
      const header = parseHeader(await this.#read(position, blockSize), `${this.#path} at byte ${position}`);
      if (header === undefined) break;
      position = await this.#take(header, position + blockSize);
    }
    if (this.#records.size > 0) throw this.#cut(position);
    return this.#members;
  }

  /** Takes in one member whose data starts at `offset`; the result is where the next header is. */
  async #take(header: MemberHeader, offset: number): Promise<number> {
    const records = this.#records;
    const get = (key: string) => records.get(key) ?? this.#globals.get(key);
    const extension = 'xgLK'.includes(header.type);
    let size = header.size;
    const override = extension ? undefined : get('size');
    if (override !== undefined) {
      if (!/^\d{1,15}$/.test(override)) throw this.#corrupt(offset, 'the size in a pax record is no number');
      size = Number(override);
    }
    // Links may carry the size of what they link to, but no data of their own.
    if ('123456'.includes(header.type)) size = 0;
    if (size > this.#end - offset) throw this.#cut(offset);
    const next = offset + Math.ceil(size / blockSize) * blockSize;
    if (extension) {
      await this.#takeExtension(header.type, offset, size);
      return next;
    }
    this.#records = new Map();
    const sparse =
      header.type === 'S' || get('GNU.sparse.major') !== undefined || get('GNU.sparse.map') !== undefined;
    const name = normalizeName(get('GNU.sparse.name') ?? get('path') ?? header.name);
    // An old GNU sparse header may be continued in blocks before the data.
    if (header.type === 'S') return this.#skipSparse(offset, next, name);
    if (name === undefined || name === '') return next;
    const target = get('linkpath') ?? header.linkname;
    if ('07\0'.includes(header.type) && !header.name.endsWith('/')) {
      this.#add(name, sparse ? { kind: 'other', what: 'a sparse file' } : { kind: 'file', offset, size });
    } else if (header.type === '1') {
      const linked = this.#members.get(normalizeName(target) ?? '');
      this.#add(name, linked ?? { kind: 'other', what: 'a hardlink to nothing' });
    } else if (header.type === '2') {
      this.#add(name, { kind: 'symlink', target }, target.length);
    } else {
      this.#add(name, {
        kind: 'other',
        what: header.type === '5' ? 'a directory' : `of tar type ${header.type}`,
      });
    }
    return next;
  }

  async #takeExtension(type: string, offset: number, size: number): Promise<void> {
    if (size > recordLimit) {
      throw new ArchiveError(
        'exhausted',
        `${this.#path}: a pax header of ${size} bytes is over ${recordLimit}`,
      );
    }
    const data = await this.#read(offset, size);
    if (type === 'L' || type === 'K') {
      const end = data.indexOf(0);
      const value = data.toString('latin1', 0, end === -1 ? size : end);
      const key = type === 'L' ? 'path' : 'linkpath';
      if (!this.#records.has(key)) this.#records.set(key, value);
      return;
    }
    const records = parseRecords(data, `${this.#path} at byte ${offset}`);
    // A long name of GNU's gives way to a pax record of the same header.
    const into = type === 'x' ? this.#records : this.#globals;
    for (const [key, value] of records) {
      if (!/^(path|linkpath|size|GNU\.sparse\.(major|map|name))$/.test(key)) continue;
      if (value === '') into.delete(key);
      else into.set(key, value);
    }
  }

  async #skipSparse(offset: number, next: number, name: string | undefined): Promise<number> {
    const header = await this.#read(offset - blockSize, blockSize);
    let [extended, blocks] = [header[482] !== 0, 0];
    while (extended) {
      const position = offset + blocks * blockSize;
      if (position + blockSize > this.#end) throw this.#cut(position);
      extended = (await this.#read(position, blockSize))[504] !== 0;
      blocks++;
    }
    if (name) this.#add(name, { kind: 'other', what: 'a sparse file' });
    return next + blocks * blockSize;
  }

  #add(name: string, member: Member, extra = 0): void {
    this.#nameBytes += name.length + extra + 64;
    if (this.#nameBytes > nameLimit) {
      throw new ArchiveError('exhausted', `${this.#path} has far more members than an image archive`, {
        detail: { limit: nameLimit },
        hint: 'give an archive that holds an image, not one of a root filesystem',
      });
    }
    this.#members.set(name, member);
  }

  /** Bytes of the file, all of which exist; valid until the next call. */
  async #read(position: number, length: number): Promise<Buffer> {
    const inside = position - this.#windowStart;
    if (inside >= 0 && inside + length <= this.#windowLength)
      return this.#window.subarray(inside, inside + length);
    const buffer = length <= windowSize ? this.#window : Buffer.allocUnsafeSlow(length);
    const wanted = Math.min(buffer.length, this.#end - position);
    if (buffer === this.#window) this.#windowLength = 0;
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#file.read(buffer, filled, wanted - filled, position + filled);
      if (bytesRead === 0) throw this.#cut(position + filled);
      filled += bytesRead;
    }
    if (buffer === this.#window) [this.#windowStart, this.#windowLength] = [position, filled];
    return buffer.subarray(0, length);
  }

  async #requireTar(): Promise<void> {
    const start = await this.#read(0, Math.min(blockSize, this.#end));
    for (const [name, magic, command] of compressions) {
      if (!start.toString('latin1', 0, 6).startsWith(magic)) continue;
      throw new ArchiveError(
        'unsupported',
        `${this.#path} is compressed with ${name}: its members cannot be found`,
        {
          hint: `decompress it first: ${command} ${this.#path} > image.tar`,
        },
      );
    }
    if (start.length === blockSize) {
      try {
        if (parseHeader(start, this.#path) !== undefined) return;
      } catch (cause) {
        throw new ArchiveError('invalid', `${this.#path} is not a tar archive`, { cause });
      }
    }
    throw new ArchiveError('invalid', `${this.#path} is not a tar archive, or an empty one`);
  }

  #cut(position: number): ArchiveError {
    return this.#corrupt(position, 'the archive is cut: a member reaches past its end');
  }

  #corrupt(position: number, why: string): ArchiveError {
    return new ArchiveError('corrupt', `${this.#path} at byte ${position}: ${why}`, {
      detail: { path: this.#path, offset: position },
    });
  }
}

const compressions = [
  ['gzip', '\x1f\x8b', 'gzip -dc'],
  ['zstd', '\x28\xb5\x2f\xfd', 'zstd -dc'],
  ['xz', '\xfd7zXZ\0', 'xz -dc'],
  ['bzip2', 'BZh', 'bzip2 -dc'],
] as const;
