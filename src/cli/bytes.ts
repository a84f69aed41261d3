import type { ByteString } from '../tree/index.ts';

/**
 * Bytes of an image for JSON: text under `name` where they are UTF-8, which nearly all are; otherwise under `nameBase64`, so that
 * nothing is lost and nothing is mistaken for text.
 */
export function jsonBytes(name: string, bytes: ByteString): Record<string, string> {
  const buffer = Buffer.from(bytes, 'latin1');
  const text = buffer.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(buffer);
  return isText ? { [name]: text } : { [`${name}Base64`]: buffer.toString('base64') };
}
