import type { ByteString } from './inode.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** For people: UTF-8 where it is valid, control characters and other bytes as `\xNN`, so that nothing steers a terminal. */
export function printable(bytes: ByteString): string {
  let text: string;
  try {
    text = utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes.replace(/[^\x20-\x7e]/g, escapeCharacter);
  }
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    escapeCharacter,
  );
}

/** The bytes of a JavaScript string, as a command line argument gives them. */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function escapeCharacter(character: string): string {
  return [...Buffer.from(character, character <= '\xff' && character >= '\x80' ? 'latin1' : 'utf8')]
    .map(byte => `\\x${byte.toString(16).padStart(2, '0')}`)
    .join('');
}
