import { randomBytes } from 'node:crypto';
import { getSystemErrorMessage } from 'node:util';
import type { ByteChannel } from '../../vmm/index.ts';
import { ZoneError } from '../error.ts';
import { fieldText, findField, readFields, readNumber } from './fields.ts';
import { type Frame, FrameReader, writeFrame, writeMessage } from './frame.ts';
import { failField, fromGuest, greeting, headerSize, nonceSize, protocolVersion, toGuest } from './layout.ts';

/** What init says of itself in its greeting. */
export interface Welcome {
  readonly version: number;
  readonly state: number;
}

const welcomePayload = nonceSize + 8;
const noBytes = new Uint8Array();
/** Milliseconds between two greetings on a serial line. */
const greetingPace = 300;

/**
 * One conversation with a zone's init over a channel (doc/format/zone-protocol.md). It greets at once; messages may be sent before the
 * answer comes. Whatever an earlier conversation left in the channel is passed over. Dispose it to hang up.
 */
export class Conversation implements Disposable {
  readonly #channel: ByteChannel;
  readonly #nonce = randomBytes(nonceSize);
  readonly #messages: AsyncGenerator<Frame>;
  #welcome: Welcome | undefined;
  #sending: Promise<void> = Promise.resolve();
  /** The first message of a serial line, which is read to hear the answer to our greeting. */
  #early: Promise<IteratorResult<Frame>> | undefined;
  #welcomed: (() => void) | undefined;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    this.#messages = this.#read();
    if (channel.maximumWrite === undefined) this.#enqueue(() => this.#greet());
    else this.#greetLine();
  }

  /** Sends a message after those that were sent before it; resolves when the channel has taken it. */
  async send(type: number, payload: Uint8Array = noBytes): Promise<void> {
    const room = this.#channel.maximumWrite;
    await this.#enqueue(async () => {
      for (const frame of writeMessage({ type, payload }, toGuest.more, room))
        await this.#channel.write(frame);
    });
  }

  /** How many bytes of STDIN one frame of this channel carries. */
  get mostStdin(): number {
    return (this.#channel.maximumWrite ?? 32_768 + headerSize) - headerSize;
  }

  /** The next message; undefined when the zone has hung up. Its payload is valid until the next call. */
  async receive(): Promise<Frame | undefined> {
    const early = this.#early;
    this.#early = undefined;
    const { value, done } = await (early ?? this.#messages.next());
    return done === true ? undefined : value;
  }

  /**
   * The next message, which has to be of this type. FAIL becomes the ZoneError it stands for; another type, or the end,
   * is `corrupt` or `unavailable`.
   */
  async expect(type: number): Promise<Uint8Array> {
    const message = await this.receive();
    if (message === undefined) throw hungUp();
    if (message.type === fromGuest.fail) throw failure(message.payload);
    if (message.type !== type) throw unexpected(message.type);
    return message.payload;
  }

  /** Init's greeting, once a message has been received. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  [Symbol.dispose](): void {
    this.#welcomed?.();
    this.#channel[Symbol.dispose]();
  }

  async #greet(): Promise<void> {
    await this.#channel.write(writeFrame(toGuest.hello, Buffer.concat([greeting, this.#nonce])));
  }

  /**
   * A serial line spoils what arrives before init has made it raw, and nobody tells when that is: we greet until we are
   * answered, and say no more before.
   */
  #greetLine(): void {
    const welcomed = Promise.withResolvers<void>();
    const again = () => void this.#greet().catch(welcomed.reject);
    const clock = setInterval(again, greetingPace);
    again();
    this.#welcomed = welcomed.resolve;
    this.#early = this.#messages.next();
    // It is heard of where messages are received.
    this.#early.catch(welcomed.reject);
    this.#enqueue(() => welcomed.promise.finally(() => clearInterval(clock))).catch(() => {});
  }

  #enqueue(write: () => Promise<void>): Promise<void> {
    const written = this.#sending.then(write);
    // Who sent it hears of the failure; whoever sends next fails of itself.
    this.#sending = written.catch(() => {});
    return written;
  }

  async *#read(): AsyncGenerator<Frame> {
    const frames = new FrameReader(fromGuest.more);
    let stale: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of this.#channel.read()) {
      if (stale === undefined) {
        yield* frames.push(chunk);
        continue;
      }
      const seen: Buffer = Buffer.concat([stale, chunk]);
      const rest = this.#findWelcome(seen);
      // A greeting that is not whole yet may begin in the last bytes.
      stale = rest === undefined ? Buffer.from(seen.subarray(-(headerSize + welcomePayload - 1))) : undefined;
      if (rest !== undefined) yield* frames.push(rest);
    }
  }

  /** What follows the WELCOME with our nonce. ZoneError `unsupported` if init speaks another version. */
  #findWelcome(seen: Buffer): Buffer | undefined {
    const header = writeFrame(fromGuest.welcome, Buffer.alloc(welcomePayload)).subarray(0, headerSize);
    const start = seen.indexOf(Buffer.concat([header, this.#nonce]));
    const end = start + headerSize + welcomePayload;
    if (start < 0 || seen.length < end) return undefined;
    const version = seen.readUInt32LE(start + headerSize + nonceSize);
    const state = seen.readUInt32LE(start + headerSize + nonceSize + 4);
    if (version !== protocolVersion) {
      throw new ZoneError('unsupported', `the zone's init speaks version ${version} of the protocol`, {
        detail: { version, expected: protocolVersion },
      });
    }
    this.#welcome = { version, state };
    this.#welcomed?.();
    return seen.subarray(end);
  }
}

/** How the guest's FAIL is told. Its text comes from the guest. */
export interface Failure {
  readonly what: string;
  readonly errno: number;
  readonly text: string;
}

export function readFailure(payload: Uint8Array): Failure {
  const fields = readFields(payload);
  const number = findField(fields, failField.errno);
  const errno = number === undefined ? 0 : readNumber(number);
  const text = fieldText(fields, failField.text) ?? '';
  // A guest is Linux, as the host is: its numbers mean the same. One that is none has no message.
  const reason = errno > 0 && errno < 4096 ? getSystemErrorMessage(-errno) : undefined;
  return {
    what: fieldText(fields, failField.what) ?? 'unknown',
    errno,
    text: reason === undefined || text === '' ? text : `${text}: ${reason}`,
  };
}

const codes: Readonly<Record<string, 'not-found' | 'corrupt' | 'invalid' | 'unsupported' | 'unavailable'>> = {
  ...{ user: 'not-found', exec: 'not-found', verity: 'corrupt', image: 'corrupt', directory: 'invalid' },
  ...{ upper: 'unavailable', volume: 'invalid', network: 'unavailable', mount: 'invalid', state: 'invalid' },
  module: 'unsupported',
};

/** ZoneError of a FAIL. */
export function failure(payload: Uint8Array): ZoneError {
  const { what, errno, text } = readFailure(payload);
  return new ZoneError(codes[what] ?? 'unavailable', `in the zone: ${text || what}`, {
    detail: { what, errno },
  });
}

export function hungUp(): ZoneError {
  return new ZoneError('unavailable', 'the zone hung up');
}

export function unexpected(type: number): ZoneError {
  return new ZoneError('corrupt', `the zone sent a message of type ${type}, which is not due here`, {
    detail: { type },
  });
}
