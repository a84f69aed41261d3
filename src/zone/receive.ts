import type { ChangeEntry } from '../layer/index.ts';
import { type ByteString, noXattrs } from '../tree/index.ts';
import { ZoneError } from './error.ts';
import {
  entryField,
  type Field,
  type Frame,
  failure,
  findField,
  fromGuest,
  hungUp,
  readFields,
  readNumber,
  unexpected,
} from './protocol/index.ts';

/**
 * The answer to COMMIT as changes. Each entry's content must be read to its end before the next entry is asked for; a
 * chunk is valid until the next one. ZoneError for what the protocol does not allow, and for the guest's own failure;
 * what the entries say is for `writeChangesLayer` to judge.
 */
export async function* receiveChanges(
  receive: () => Promise<Frame | undefined>,
): AsyncGenerator<ChangeEntry, void, undefined> {
  const next = async (): Promise<Frame> => {
    const frame = await receive();
    if (frame === undefined) throw hungUp();
    if (frame.type === fromGuest.fail) throw failure(frame.payload);
    return frame;
  };
  let frame = await next();
  let entries = 0;
  while (frame.type === fromGuest.entry) {
    entries += 1;
    const entry = readEntry(frame.payload);
    async function* content(): AsyncGenerator<Uint8Array, void, undefined> {
      for (frame = await next(); frame.type === fromGuest.data; frame = await next()) yield frame.payload;
    }
    const reading = content();
    yield { ...entry, content: reading };
    // What was not read is not skipped: it is the end of what makes sense.
    if ((await reading.next()).done !== true) throw unexpected(fromGuest.data);
  }
  if (frame.type !== fromGuest.committed) throw unexpected(frame.type);
  const said = frame.payload.length === 8 ? Buffer.from(frame.payload).readBigUInt64LE() : undefined;
  if (said === BigInt(entries)) return;
  throw new ZoneError('corrupt', `the zone sent ${entries} changes and says that there are ${said}`, {
    detail: { entries, said: said?.toString() },
  });
}

/** ENTRY (zone-protocol.md). ZoneError `corrupt` if a field is missing or has not its length. */
export function readEntry(payload: Uint8Array): ChangeEntry {
  const fields = readFields(payload);
  const need = (tag: number): Field => {
    const field = findField(fields, tag);
    if (field !== undefined) return field;
    throw new ZoneError('corrupt', `the zone sent a change without field ${tag}`, { detail: { tag } });
  };
  const number = (tag: number) => readNumber(need(tag));
  const optional = <T>(tag: number, read: (field: Field) => T): T | undefined => {
    const field = findField(fields, tag);
    return field === undefined ? undefined : read(field);
  };
  const xattrs = fields.filter(({ tag }) => tag === entryField.xattr).map(readXattr);
  return {
    path: bytes(need(entryField.path)),
    mode: number(entryField.mode),
    uid: number(entryField.uid),
    gid: number(entryField.gid),
    mtime: {
      seconds: Number(readWord(need(entryField.seconds), 'readBigInt64LE')),
      nanoseconds: number(entryField.nanoseconds),
    },
    inode: readWord(need(entryField.inode), 'readBigUInt64LE'),
    links: number(entryField.links),
    size: optional(entryField.size, readNumber),
    target: optional(entryField.target, bytes),
    device: optional(entryField.device, readDevice),
    xattrs: xattrs.length === 0 ? noXattrs : new Map(xattrs),
  };
}

function readWord({ tag, value }: Field, how: 'readBigInt64LE' | 'readBigUInt64LE'): bigint {
  if (value.length === 8) return Buffer.from(value)[how]();
  throw new ZoneError('corrupt', `the zone sent no proper number in field ${tag}`, { detail: { tag } });
}

function readDevice(field: Field): { readonly major: number; readonly minor: number } {
  const device = readWord(field, 'readBigUInt64LE');
  return { major: Number(device / 2n ** 32n), minor: Number(device % 2n ** 32n) };
}

/** Name, NUL, value. A copy: the message goes. */
function readXattr({ value }: Field): [ByteString, Uint8Array] {
  const end = value.indexOf(0);
  if (end < 0) throw new ZoneError('corrupt', 'the zone sent an xattr without an end to its name');
  return [Buffer.from(value.subarray(0, end)).toString('latin1'), Buffer.from(value.subarray(end + 1))];
}

function bytes({ value }: Field): ByteString {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
}
