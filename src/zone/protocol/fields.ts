import { ZoneError } from '../error.ts';

/** One field of a message: tag (u8), length (u32), value. */
export interface Field {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** Collects the fields of a message. Text is UTF-8; what has to be other bytes is given as bytes. */
export class FieldWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(tag: number, value: Uint8Array): this {
    const header = Buffer.alloc(5);
    header.writeUInt8(tag, 0);
    header.writeUInt32LE(value.length, 1);
    this.#parts.push(header, value);
    return this;
  }

  text(tag: number, value: string): this {
    return this.bytes(tag, Buffer.from(value, 'utf8'));
  }

  /** Several texts with a NUL between each two; none may hold one: ZoneError `invalid`. */
  texts(tag: number, ...values: readonly string[]): this {
    for (const value of values) requireNoNul(value);
    return this.text(tag, values.join('\0'));
  }

  /** Strings of a process's start, which the kernel ends at a NUL. */
  word(tag: number, value: string): this {
    requireNoNul(value);
    return this.text(tag, value);
  }

  number(tag: number, value: number | bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value), 0);
    return this.bytes(tag, bytes);
  }

  flag(tag: number): this {
    return this.bytes(tag, new Uint8Array());
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

function requireNoNul(value: string): void {
  if (!value.includes('\0')) return;
  throw new ZoneError(
    'invalid',
    `${JSON.stringify(value)} holds a NUL, which no argument, variable or path can`,
  );
}

/** The fields of a message from the guest. ZoneError `corrupt` if they do not end where the message ends. */
export function readFields(payload: Uint8Array): readonly Field[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const fields: Field[] = [];
  let position = 0;
  while (position < bytes.length) {
    const start = position + 5;
    const length = start <= bytes.length ? bytes.readUInt32LE(position + 1) : 0;
    if (start + length > bytes.length) {
      throw new ZoneError('corrupt', 'the zone sent a message whose fields are cut off', {
        detail: { position, length, available: bytes.length },
      });
    }
    fields.push({ tag: bytes[position]!, value: bytes.subarray(start, start + length) });
    position = start + length;
  }
  return fields;
}

/** The number in a field of 8 bytes. ZoneError `corrupt` for another length or a number above 2^53 - 1. */
export function readNumber({ tag, value }: Field): number {
  const number = value.length === 8 ? Buffer.from(value).readBigUInt64LE() : undefined;
  if (number === undefined || number > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ZoneError('corrupt', `the zone sent no proper number in field ${tag}`, { detail: { tag } });
  }
  return Number(number);
}

/** The first field with the tag. */
export function findField(fields: readonly Field[], tag: number): Field | undefined {
  return fields.find(field => field.tag === tag);
}

/** Its text, lossy: for people. */
export function fieldText(fields: readonly Field[], tag: number): string | undefined {
  const field = findField(fields, tag);
  return field && Buffer.from(field.value).toString('utf8');
}
