import type { ByteChannel } from '../../src/vmm/index.ts';
import { type Frame, FrameReader, writeFrame } from '../../src/zone/protocol/index.ts';

const hello = 1;
const welcome = 65;

/** The guest's end of a channel, in memory: hears what the host sends, says what a test tells it to. */
export class FakeGuest {
  readonly heard: Frame[] = [];
  readonly #frames = new FrameReader(2);
  readonly #said: Uint8Array[] = [];
  readonly #cut: number;
  #wake: (() => void) | undefined;
  #over = false;
  #greeted = false;
  readonly #later: Uint8Array[] = [];
  /** Called with each frame of the host. */
  onFrame: ((frame: Frame) => void) | undefined;

  /** What it says arrives in chunks of `cut` bytes. */
  constructor(cut = 65_536) {
    this.#cut = cut;
  }

  /** Says a frame, but not before it has greeted. */
  say(type: number, payload: Uint8Array = new Uint8Array()): void {
    if (this.#greeted) this.sayBytes(writeFrame(type, payload));
    else this.#later.push(writeFrame(type, payload));
  }

  sayBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#cut) this.#said.push(bytes.slice(at, at + this.#cut));
    this.#wake?.();
  }

  /** Answers HELLO, whose nonce is given. */
  greet(nonce: Uint8Array, { version = 1, state = 0 } = {}): void {
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32LE(version, 0);
    numbers.writeUInt32LE(state, 4);
    this.sayBytes(writeFrame(welcome, Buffer.concat([nonce, numbers])));
    this.#greeted = true;
    for (const bytes of this.#later.splice(0)) this.sayBytes(bytes);
  }

  hangUp(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** The host's end. `room`: the most that one write may have. */
  channel(room?: number): ByteChannel {
    const guest = this;
    return {
      maximumWrite: room,
      async write(bytes) {
        if (room !== undefined && bytes.length > room) throw new Error(`wrote ${bytes.length} bytes at once`);
        for (const { type, payload } of guest.#frames.push(bytes)) {
          const frame = { type, payload: Uint8Array.prototype.slice.call(payload) };
          guest.heard.push(frame);
          if (type === hello && guest.onFrame === undefined) guest.greet(payload.subarray(16));
          guest.onFrame?.(frame);
        }
      },
      async *read() {
        for (;;) {
          const chunk = guest.#said.shift();
          if (chunk !== undefined) yield chunk;
          else if (guest.#over) return;
          else {
            const { promise, resolve } = Promise.withResolvers<void>();
            guest.#wake = resolve;
            await promise;
          }
        }
      },
      [Symbol.dispose]: () => guest.hangUp(),
    };
  }
}

/** u32 numbers as a payload. */
export function numbers(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, 4 * index);
  });
  return bytes;
}
