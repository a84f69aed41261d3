import { RegistryError } from '../error.ts';
import type { HttpResponse } from './message.ts';
import { findHeader } from './message.ts';
import { showUrl } from './shown.ts';

/**
 * The whole body of a small response. Above `limit` bytes: RegistryError `exhausted`, before it is read if its length is
 * announced; a document that has not come after `deadline` milliseconds: `unavailable`.
 */
export async function readDocument(
  response: HttpResponse,
  { limit, deadline, what }: { limit: number; deadline: number; what: string },
): Promise<Uint8Array> {
  const detail = { url: showUrl(response.url), status: response.status, limit };
  const tooLarge = (size: string) => {
    response.body.discard();
    return new RegistryError('exhausted', `${what} has ${size} bytes, more than ${limit}`, { detail });
  };
  const length = Number(findHeader(response, 'content-length') ?? 0);
  if (length > limit) throw tooLarge(String(length));
  const chunks: Uint8Array[] = [];
  const late = new RegistryError('unavailable', `${what} did not arrive within ${deadline / 1000} s`, {
    detail: { ...detail, reason: 'stall', retryable: true },
  });
  const timer = setTimeout(() => response.body.break(late), deadline);
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > limit) throw tooLarge(`at least ${size}`);
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}
