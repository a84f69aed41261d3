import { TarError } from './error.ts';
import type { Field } from './layout.ts';

/**
 * A header's numeric field: octal digits, after spaces or NULs and before one, or GNU's base-256 (first byte 0x80:
 * positive, 0xff: negative, both big endian two's complement). A blank field is 0. Anything else, and a value that is
 * not a safe integer, is a TarError without offset: the parser knows where it is.
 */
export function readNumber(block: Uint8Array, base: number, field: Field, name: string): number {
  const start = base + field.at;
  const end = start + field.length;
  if (block[start]! >= 0x80) return readBase256(block, start, end, name);
  let at = start;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at += 1;
  let value = 0;
  for (; at < end; at += 1) {
    const digit = block[at]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // What follows the digits must end them. Behind a NUL there may be anything, for text ends there; behind a space
  // more digits would leave open which number was meant.
  for (; at < end && block[at] !== 0; at += 1) {
    if (block[at] !== 0x20) throw badNumber(block, start, end, name);
  }
  return value;
}

/** As `readNumber`; a negative number is an error too. */
export function readUnsigned(block: Uint8Array, base: number, field: Field, name: string): number {
  const value = readNumber(block, base, field, name);
  if (value < 0) throw new TarError('invalid', `the field ${name} is negative: ${value}`);
  return value;
}

function readBase256(block: Uint8Array, start: number, end: number, name: string): number {
  const first = block[start]!;
  if (first !== 0x80 && first !== 0xff) throw badNumber(block, start, end, name);
  // Digits of a negative number are counted from -1 downwards, so that the sum stays exact within the safe range.
  const negative = first === 0xff;
  let value = 0;
  for (let at = start + 1; at < end; at += 1) {
    value = value * 256 + (negative ? 0xff - block[at]! : block[at]!);
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new TarError('invalid', `the base-256 field ${name} is out of range`, {
        detail: { field: name },
      });
    }
  }
  if (!negative) return value;
  if (value === Number.MAX_SAFE_INTEGER) {
    throw new TarError('invalid', `the base-256 field ${name} is out of range`, { detail: { field: name } });
  }
  return -1 - value;
}

function badNumber(block: Uint8Array, start: number, end: number, name: string): TarError {
  const text = JSON.stringify(Buffer.from(block.subarray(start, end)).toString('latin1'));
  return new TarError('corrupt', `the field ${name} is not a number: ${text}`, { detail: { field: name } });
}

/** Whether `value` fits an octal field, of which the last byte is a NUL. */
export function fitsOctal(value: number, field: Field): boolean {
  return value >= 0 && value < 8 ** (field.length - 1);
}

/** Zero-padded octal and a NUL. The value must fit. */
export function writeOctal(block: Uint8Array, field: Field, value: number): void {
  const digits = field.length - 1;
  for (let at = field.at + digits - 1; at >= field.at; at -= 1) {
    block[at] = 0x30 + (value % 8);
    value = Math.floor(value / 8);
  }
  block[field.at + digits] = 0;
}
