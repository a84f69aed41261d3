import { ShaleError } from '../error/index.ts';

/** A value that does not fit its field (`invalid`), or bytes that hold no such value or end too early (`corrupt`). */
export class StructError extends ShaleError {}

/**
 * How one value lies in bytes, little endian and of a fixed size. A struct is a field too, so structs nest.
 * `read` and `write` trust that `size` bytes are there; `Struct` checks it once for all of its fields.
 */
export interface Field<T> {
  readonly size: number;
  read(bytes: Uint8Array, offset: number): T;
  /** Throws StructError `invalid` when the value is out of the field's range: nothing is ever cut off silently. */
  write(bytes: Uint8Array, offset: number, value: T): void;
}

type ValueOf<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export interface Struct<V> extends Field<V> {
  /** Byte offset of each field from the struct's start. */
  readonly offsets: Readonly<Record<keyof V, number>>;
  /** Throws StructError `corrupt` when fewer than `size` bytes follow `offset`. */
  read(bytes: Uint8Array, offset: number): V;
  write(bytes: Uint8Array, offset: number, value: V): void;
}

/** The value that a struct reads and writes: `type Superblock = StructValue<typeof superblock>`. */
export type StructValue<S> = S extends Field<infer V> ? V : never;

/**
 * Declares a packed little-endian struct. Fields lie in the order in which they are written down, without padding;
 * write the declaration with a blank line every 16 bytes, so that it reads like a hexdump.
 */
export function struct<const F extends Readonly<Record<string, Field<unknown>>>>(
  fields: F,
): Struct<ValueOf<F>> {
  const names = Object.keys(fields);
  const layouts = Object.values(fields);
  const starts: number[] = [];
  let size = 0;
  for (const layout of layouts) {
    starts.push(size);
    size += layout.size;
  }
  const count = names.length;
  const blank = Object.fromEntries(names.map(name => [name, undefined]));
  const room = (bytes: Uint8Array, offset: number): void => {
    if (offset < 0 || offset + size > bytes.length) {
      throw new StructError(
        'corrupt',
        `${size} bytes at offset ${offset}, but there are only ${bytes.length}`,
        {
          detail: { offset, size, available: bytes.length },
        },
      );
    }
  };
  return {
    size,
    offsets: Object.fromEntries(names.map((name, index) => [name, starts[index]])) as Record<keyof F, number>,
    read(bytes, offset) {
      room(bytes, offset);
      // A copy of one object has its hidden class at once; growing an object field by field takes three times as long.
      const value: Record<string, unknown> = { ...blank };
      let index = 0;
      try {
        for (; index < count; index++) {
          value[names[index]!] = layouts[index]!.read(bytes, offset + starts[index]!);
        }
      } catch (error) {
        throw named(error, names[index]!);
      }
      return value as ValueOf<F>;
    },
    write(bytes, offset, value) {
      room(bytes, offset);
      let index = 0;
      try {
        for (; index < count; index++) {
          const given = (value as Record<string, unknown>)[names[index]!];
          layouts[index]!.write(bytes, offset + starts[index]!, given);
        }
      } catch (error) {
        throw named(error, names[index]!);
      }
    },
  };
}

function named(error: unknown, name: string): unknown {
  if (!(error instanceof StructError)) return error;
  const field = error.detail.field === undefined ? name : `${name}.${error.detail.field}`;
  const reason = (error.detail.reason as string | undefined) ?? error.message;
  return new StructError(error.code, `field ${field}: ${reason}`, {
    detail: { ...error.detail, field, reason },
  });
}

function check(value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const reason = `${value} is not a whole number between ${least} and ${most}`;
  throw new StructError('invalid', reason, { detail: { value, least, most, reason } });
}

export const u8: Field<number> = {
  size: 1,
  read: (bytes, offset) => bytes[offset]!,
  write(bytes, offset, value) {
    check(value, 0, 0xff);
    bytes[offset] = value;
  },
};

export const u16: Field<number> = {
  size: 2,
  read: (bytes, offset) => bytes[offset]! + bytes[offset + 1]! * 0x100,
  write(bytes, offset, value) {
    check(value, 0, 0xffff);
    bytes[offset] = value;
    bytes[offset + 1] = value >>> 8;
  },
};

export const i16: Field<number> = {
  size: 2,
  read(bytes, offset) {
    const value = bytes[offset]! + bytes[offset + 1]! * 0x100;
    return value < 0x8000 ? value : value - 0x10000;
  },
  write(bytes, offset, value) {
    check(value, -0x8000, 0x7fff);
    bytes[offset] = value;
    bytes[offset + 1] = value >> 8;
  },
};

function read32(bytes: Uint8Array, offset: number): number {
  return (
    bytes[offset]! +
    bytes[offset + 1]! * 0x100 +
    bytes[offset + 2]! * 0x10000 +
    bytes[offset + 3]! * 0x1000000
  );
}

function write32(bytes: Uint8Array, offset: number, value: number): void {
  // Storing into a Uint8Array keeps the value modulo 256, whatever its size.
  bytes[offset] = value;
  bytes[offset + 1] = value / 0x100;
  bytes[offset + 2] = value / 0x10000;
  bytes[offset + 3] = value / 0x1000000;
}

export const u32: Field<number> = {
  size: 4,
  read: read32,
  write(bytes, offset, value) {
    check(value, 0, 0xffffffff);
    write32(bytes, offset, value);
  },
};

function read64(bytes: Uint8Array, offset: number): number {
  const high = read32(bytes, offset + 4);
  if (high > 0x1fffff) {
    const hex = `0x${high.toString(16)}${read32(bytes, offset).toString(16).padStart(8, '0')}`;
    const reason = `${hex} is beyond 2^53`;
    throw new StructError('corrupt', reason, { detail: { value: hex, reason } });
  }
  return high * 0x100000000 + read32(bytes, offset);
}

/** A 64-bit number as a safe integer; beyond 2^53-1 it is an error: no file is that large. */
export const u64: Field<number> = {
  size: 8,
  read: read64,
  write(bytes, offset, value) {
    check(value, 0, Number.MAX_SAFE_INTEGER);
    write32(bytes, offset, value % 0x100000000);
    write32(bytes, offset + 4, Math.floor(value / 0x100000000));
  },
};

/** Two's complement, as a safe integer; what is beyond is an error. */
export const i64: Field<number> = {
  size: 8,
  read(bytes, offset) {
    if (bytes[offset + 7]! < 0x80) return read64(bytes, offset);
    const low = 0xffffffff - read32(bytes, offset);
    const high = 0xffffffff - read32(bytes, offset + 4);
    if (high > 0x1ffffe) {
      const reason = 'it is beyond -2^53';
      throw new StructError('corrupt', reason, { detail: { reason } });
    }
    return -(high * 0x100000000 + low) - 1;
  },
  write(bytes, offset, value) {
    check(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const high = Math.floor(value / 0x100000000);
    write32(bytes, offset, value - high * 0x100000000);
    write32(bytes, offset + 4, high < 0 ? high + 0x100000000 : high);
  },
};

/** As `u64`, with all bits set for "there is none". */
export const u64OrNone: Field<number | undefined> = {
  size: 8,
  read(bytes, offset) {
    const none = read32(bytes, offset) === 0xffffffff && read32(bytes, offset + 4) === 0xffffffff;
    return none ? undefined : read64(bytes, offset);
  },
  write(bytes, offset, value) {
    if (value === undefined) bytes.fill(0xff, offset, offset + 8);
    else u64.write(bytes, offset, value);
  },
};

/** As `u32`, with all bits set for "there is none". */
export const u32OrNone: Field<number | undefined> = {
  size: 4,
  read(bytes, offset) {
    const value = read32(bytes, offset);
    return value === 0xffffffff ? undefined : value;
  },
  write(bytes, offset, value) {
    if (value === undefined) return write32(bytes, offset, 0xffffffff);
    check(value, 0, 0xfffffffe);
    write32(bytes, offset, value);
  },
};

/** So many bytes as they stand: an identifier, a label. Read as a copy; written values must have exactly this length. */
export function octets(length: number): Field<Uint8Array> {
  return {
    size: length,
    read: (bytes, offset) => bytes.slice(offset, offset + length),
    write(bytes, offset, value) {
      check(value.length, length, length);
      bytes.set(value, offset);
    },
  };
}
