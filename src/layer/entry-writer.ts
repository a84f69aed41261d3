import { type ByteString, printable, type Timestamp, type Xattrs } from '../tree/index.ts';
import type { LayerEntry, LayerFile } from './entry.ts';
import { LayerError } from './error.ts';
import {
  beforeEpoch,
  blockBytes,
  hasXattrs,
  type Kind,
  kinds,
  maximumShared,
  sameOwner,
  sameTime,
  storedBytes,
} from './record.ts';

const codes = Object.fromEntries(kinds.map((kind, code) => [kind, code])) as Readonly<Record<Kind, number>>;

/** More than an entry's numbers and lengths take together. */
const numbersBytes = 128;
/** Sets of xattrs up to this size are looked up by content, so that equal ones are written once. */
const internedBytes = 4096;

/** Writes entries as `record.ts` says into a buffer that grows. */
export class EntryWriter {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024);
  #at = 0;
  #path: ByteString = '';
  #uid = 0;
  #gid = 0;
  #seconds = 0;
  #nanoseconds = 0;
  /** Where the data of the previous file ends in the tar, with what fills its last block. */
  #dataEnd = 0;
  #sets = 0;
  readonly #setByContent = new Map<string, number>();

  entry(entry: LayerEntry): void {
    const { path, type } = entry;
    const target = type === 'symlink' || type === 'hardlink' ? entry.target : '';
    this.#ensure(numbersBytes + path.length + target.length);
    let head = codes[type];
    if (type === 'whiteout' || type === 'opaque' || type === 'hardlink') {
      this.#bytes[this.#at++] = head;
      this.#writePath(path);
      if (type === 'hardlink') this.#string(target);
      return;
    }
    const { uid, gid, mtime, xattrs } = entry;
    const owned = uid === this.#uid && gid === this.#gid;
    const timed = mtime.seconds === this.#seconds && mtime.nanoseconds === this.#nanoseconds;
    if (owned) head += sameOwner;
    if (timed) head += sameTime;
    else if (mtime.seconds < 0) head += beforeEpoch;
    if (xattrs.size > 0) head += hasXattrs;
    this.#bytes[this.#at++] = head;
    this.#writePath(path);
    this.number(entry.mode);
    if (!owned) this.#owner(uid, gid);
    if (!timed) this.#time(mtime);
    if (xattrs.size > 0) this.#xattrs(xattrs, numbersBytes + target.length);
    if (type === 'file') {
      this.number(entry.size);
      this.#place(entry);
    } else if (type === 'symlink') this.#string(target);
    else if (type === 'block' || type === 'character') {
      this.number(entry.major);
      this.number(entry.minor);
    }
  }

  /** A number outside an entry: room is made for it. */
  number(value: number): void {
    if (this.#at + 10 > this.#bytes.length) this.#ensure(10);
    while (value >= 128) {
      const low = value % 128;
      this.#bytes[this.#at++] = low + 128;
      value = (value - low) / 128;
    }
    this.#bytes[this.#at++] = value;
  }

  /** What was written, in a buffer of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(0, this.#at));
  }

  #owner(uid: number, gid: number): void {
    this.#uid = uid;
    this.#gid = gid;
    this.number(uid);
    this.number(gid);
  }

  #time({ seconds, nanoseconds }: Timestamp): void {
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.number(Math.abs(seconds));
    this.number(nanoseconds);
  }

  #place({ path, size, offset, segments }: LayerFile): void {
    if (offset === undefined) {
      this.number(0);
      return;
    }
    const blocks = (offset - this.#dataEnd) / blockBytes;
    if (!Number.isInteger(blocks) || blocks < 0) {
      const why = `data at byte ${offset} is not behind that of the file before, at the start of a block`;
      throw new LayerError('internal', `${printable(path)}: ${why}`, { detail: { path: printable(path) } });
    }
    this.#dataEnd = offset + Math.ceil(storedBytes(size, segments) / blockBytes) * blockBytes;
    this.number(1 + (segments === undefined ? 0 : 1) + 2 * blocks);
    if (segments === undefined) return;
    this.number(segments.length);
    let end = 0;
    for (const { offset: start, length } of segments) {
      this.number(start - end);
      this.number(length);
      end = start + length;
    }
  }

  #writePath(path: ByteString): void {
    const previous = this.#path;
    const most = Math.min(path.length, previous.length, maximumShared);
    let shared = 0;
    while (shared < most && path.charCodeAt(shared) === previous.charCodeAt(shared)) shared += 1;
    this.#path = path;
    this.number(shared);
    this.number(path.length - shared);
    this.#latin1(path, shared);
  }

  #string(text: ByteString): void {
    this.number(text.length);
    this.#latin1(text, 0);
  }

  /** A loop of stores is quicker than a call into C++ for the few bytes that most strings have. */
  #latin1(text: ByteString, from: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    if (text.length - from > 64) {
      at += bytes.write(from === 0 ? text : text.slice(from), at, 'latin1');
    } else {
      for (let index = from; index < text.length; index += 1) bytes[at++] = text.charCodeAt(index);
    }
    this.#at = at;
  }

  /** `reserve` is what the rest of the entry needs after the set. */
  #xattrs(xattrs: Xattrs, reserve: number): void {
    let size = 0;
    for (const [name, value] of xattrs) size += name.length + value.length + 20;
    if (size <= internedBytes) {
      const content = formatContent(xattrs);
      const known = this.#setByContent.get(content);
      if (known !== undefined) {
        this.number(known);
        return;
      }
      this.#setByContent.set(content, this.#sets);
    }
    this.#ensure(size + reserve);
    this.number(this.#sets);
    this.#sets += 1;
    this.number(xattrs.size);
    for (const [name, value] of xattrs) {
      this.#string(name);
      this.number(value.length);
      this.#bytes.set(value, this.#at);
      this.#at += value.length;
    }
  }

  #ensure(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Equal for equal sets in equal order, and for no others: the lengths say where a name and a value end. */
function formatContent(xattrs: Xattrs): string {
  let content = '';
  for (const [name, value] of xattrs) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    content += `${name.length},${value.length}:${name}${bytes.toString('latin1')}`;
  }
  return content;
}
