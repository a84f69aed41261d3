import type { ByteString } from '../tree/index.ts';
import { TarError } from './error.ts';

/** star's spelling: name and value as they are. */
export const schilyPrefix = 'SCHILY.xattr.';

/** libarchive's spelling: the name percent-encoded, the value in base64. */
export const libarchivePrefix = 'LIBARCHIVE.xattr.';

/** An escape that is none stands for itself, as libarchive reads it. */
export function decodeXattrName(encoded: ByteString): ByteString {
  return encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Keeps printable ASCII but for `%` and `=`. */
export function encodeXattrName(name: ByteString): ByteString {
  return name.replace(
    /[^\x21-\x7e]|[%=]/g,
    byte => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

/** Base64 with or without its padding; anything else is a TarError `corrupt`. */
export function decodeXattrValue(encoded: ByteString, name: ByteString): Uint8Array {
  const digits = encoded.replace(/={1,2}$/, '');
  if (!/^[A-Za-z0-9+/]*$/.test(digits) || digits.length % 4 === 1) {
    throw new TarError('corrupt', `the value of xattr ${JSON.stringify(name)} is not base64`, {
      detail: { xattr: name },
    });
  }
  return new Uint8Array(Buffer.from(digits, 'base64'));
}

/** libarchive's own spelling has no padding. */
export function encodeXattrValue(value: Uint8Array): ByteString {
  return Buffer.from(value).toString('base64').replace(/=+$/, '');
}
