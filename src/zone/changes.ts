import { type ByteString, byteString } from '../tree/index.ts';
import type { ChangeEntry } from './commit/index.ts';
import { ZoneError } from './error.ts';
import {
  type Conversation,
  entryField,
  type Field,
  failure,
  findField,
  fromGuest,
  hungUp,
  readFields,
  readNumber,
  toGuest,
  unexpected,
} from './protocol/index.ts';
import type { ZoneRecord } from './state/index.ts';

/** What init mounts over in every zone. */
const alwaysMounted = [
  '/proc',
  '/sys',
  '/dev',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/machine-id',
];

/** The paths that init may have made in the upper of a zone to mount something over them, and the directories that lead there. */
export function mountPoints({ tmpfs, volumes }: ZoneRecord): ReadonlySet<ByteString> {
  const points = new Set<ByteString>();
  for (const path of [...alwaysMounted, ...tmpfs, ...volumes.map(({ path }) => path)]) {
    const names = path.split('/').filter(name => name !== '' && name !== '.');
    for (let depth = 1; depth <= names.length; depth += 1)
      points.add(byteString(names.slice(0, depth).join('/')));
  }
  return points;
}

/**
 * Asks a zone for what it has written: COMMIT, and the ENTRY and DATA messages that answer it. The workload stands still until the last of them was
 * read. Nothing of it is checked here but its form.
 */
export async function* readChanges(conversation: Conversation): AsyncGenerator<ChangeEntry> {
  await conversation.send(toGuest.commit);
  const stream = new ChangeStream(conversation);
  for (;;) {
    const entry = await stream.next();
    if (entry === undefined) return;
    yield entry;
    await stream.finishContent();
  }
}

class ChangeStream {
  readonly #conversation: Conversation;
  /** Bytes of DATA that are still to come for the last entry. */
  #left = 0;
  readonly #seen = new Set<number>();

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  async next(): Promise<ChangeEntry | undefined> {
    const message = await this.#conversation.receive();
    if (message === undefined) throw hungUp();
    if (message.type === fromGuest.committed) return undefined;
    if (message.type === fromGuest.fail) throw failure(message.payload);
    if (message.type !== fromGuest.entry) throw unexpected(message.type);
    const entry = readEntry(readFields(message.payload));
    const isNew = entry.links < 2 || !this.#seen.has(entry.inode as number);
    if (entry.links >= 2) this.#seen.add(entry.inode as number);
    if (entry.size === undefined || !isNew) return entry;
    this.#left = entry.size;
    return { ...entry, content: this.#content() };
  }

  /** Whoever left the content out has not read it. */
  async finishContent(): Promise<void> {
    if (this.#left === 0) return;
    for await (const _ of this.#content());
  }

  async *#content(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const message = await this.#conversation.receive();
      if (message === undefined) throw hungUp();
      if (message.type === fromGuest.fail) throw failure(message.payload);
      const { length } = message.payload;
      if (message.type !== fromGuest.data || length > this.#left || length === 0)
        throw unexpected(message.type);
      this.#left -= length;
      yield message.payload;
    }
  }
}

const fileType = 0o100000;

function readEntry(fields: readonly Field[]): ChangeEntry {
  const number = (tag: number): number => {
    const field = findField(fields, tag);
    return field === undefined ? 0 : readNumber(field);
  };
  const bytes = (tag: number): ByteString | undefined => {
    const field = findField(fields, tag);
    return field && Buffer.from(field.value).toString('latin1');
  };
  const mode = number(entryField.mode);
  const device = findField(fields, entryField.device);
  const target = bytes(entryField.target);
  return {
    path: bytes(entryField.path) ?? '',
    ...{ mode, uid: number(entryField.uid), gid: number(entryField.gid) },
    mtime: { seconds: readSigned(fields, entryField.seconds), nanoseconds: number(entryField.nanoseconds) },
    ...{ inode: number(entryField.inode), links: number(entryField.links) },
    ...(device !== undefined && { device: readDevice(device) }),
    ...((mode % 0x10000) - (mode % 0o10000) === fileType && { size: number(entryField.size) }),
    ...(target !== undefined && { target }),
    xattrs: new Map(fields.filter(({ tag }) => tag === entryField.xattr).map(readXattr)),
  };
}

function readSigned(fields: readonly Field[], tag: number): number {
  const field = findField(fields, tag);
  if (field === undefined) return 0;
  const number = field.value.length === 8 ? Number(Buffer.from(field.value).readBigInt64LE()) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new ZoneError('corrupt', 'the zone sent no proper time');
  return number;
}

function readDevice({ value }: Field): { readonly major: number; readonly minor: number } {
  if (value.length !== 8) throw new ZoneError('corrupt', 'the zone sent no proper device number');
  const bytes = Buffer.from(value);
  return { major: bytes.readUInt32LE(4), minor: bytes.readUInt32LE(0) };
}

function readXattr({ value }: Field): [ByteString, Uint8Array] {
  const end = value.indexOf(0);
  if (end <= 0) throw new ZoneError('corrupt', 'the zone sent an xattr without a name');
  const name = Buffer.from(value.subarray(0, end)).toString('latin1');
  return [name, Uint8Array.prototype.slice.call(value, end + 1)];
}
