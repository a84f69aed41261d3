import { ZoneError } from '../error.ts';
import { headerSize, mostMessage, mostPayload } from './layout.ts';

/** Parts of one message: if each were only 1 KiB they were as much as a message may be. */
const mostParts = 4096;

export interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** One frame as bytes. */
export function writeFrame(type: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headerSize + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.writeUInt32LE(type, 4);
  bytes.set(payload, headerSize);
  return bytes;
}

/**
 * A message as frames, the MORE frames first. `room` is how many bytes one write may have, header included: what a
 * FIFO takes whole or not at all.
 */
export function* writeMessage(
  { type, payload }: Frame,
  more: number,
  room = headerSize + mostPayload,
): Generator<Uint8Array> {
  if (payload.length > mostMessage) {
    throw new ZoneError('exhausted', `a message of ${payload.length} bytes is too long for a zone`, {
      detail: { size: payload.length, limit: mostMessage },
      hint: 'fewer or shorter arguments and variables',
    });
  }
  const most = Math.min(room, headerSize + mostPayload) - headerSize;
  let position = 0;
  for (; payload.length - position > most; position += most) {
    yield writeFrame(more, payload.subarray(position, position + most));
  }
  yield writeFrame(type, payload.subarray(position));
}

/**
 * Cuts a stream into messages. Payloads are valid as long as the chunk they came in: they may point into it. ZoneError `corrupt` for a header that
 * cannot be one, and for a message above the limit.
 */
export class FrameReader {
  readonly #more: number;
  /** What is not a whole frame yet. Joined once there is enough, so that small chunks cost no more than large ones. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Bytes that have to be there before it is worth looking. */
  #needed = headerSize;
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** `more`: the type of frames that begin a longer message. */
  constructor(more: number) {
    this.#more = more;
  }

  *push(chunk: Uint8Array): Generator<Frame> {
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#needed) {
      this.#pending.push(Uint8Array.prototype.slice.call(chunk));
      return;
    }
    const joined = this.#pending.length === 0 ? chunk : Buffer.concat([...this.#pending, chunk]);
    let bytes = Buffer.from(joined.buffer, joined.byteOffset, joined.length);
    for (;;) {
      this.#needed = headerSize;
      if (bytes.length < headerSize) break;
      const length = bytes.readUInt32LE(0);
      const type = bytes.readUInt32LE(4);
      if (length > mostPayload || type > 255) {
        throw new ZoneError('corrupt', 'what the zone sent is no frame', { detail: { length, type } });
      }
      const end = headerSize + length;
      this.#needed = end;
      if (bytes.length < end) break;
      const payload = bytes.subarray(headerSize, end);
      bytes = bytes.subarray(end);
      if (type === this.#more) this.#keep(payload);
      else yield { type, payload: this.#complete(payload) };
    }
    this.#pending = bytes.length === 0 ? [] : [Uint8Array.prototype.slice.call(bytes)];
    this.#pendingBytes = bytes.length;
  }

  /** What is kept costs memory for its bytes and for each part, even an empty one. */
  #keep(payload: Buffer): void {
    this.#partBytes += payload.length;
    if (this.#partBytes > mostMessage || this.#parts.length === mostParts) {
      throw new ZoneError('corrupt', 'the zone sent a message that is too long', {
        detail: { limit: mostMessage },
      });
    }
    this.#parts.push(Buffer.from(payload));
  }

  #complete(payload: Buffer): Buffer {
    if (this.#parts.length === 0) return payload;
    const whole = Buffer.concat([...this.#parts, payload]);
    this.#parts = [];
    this.#partBytes = 0;
    return whole;
  }
}
