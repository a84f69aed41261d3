import { ZoneError } from './error.ts';
import { writeWindow } from './process-message.ts';
import {
  type Conversation,
  exitFlag,
  type Failure,
  failure,
  fromGuest,
  hungUp,
  readFailure,
  toGuest,
  unexpected,
} from './protocol/index.ts';
import type { ProcessEnd, ZoneStreams } from './streams.ts';

/** A process that runs in a zone, with our streams attached to it. */
export interface Session {
  /** Its number in the zone. */
  readonly pid: number;
  /** Sends it a signal by its number. What cannot be sent any more is no error. */
  signal(number: number): void;
  /** Fulfilled when it has ended and all of its output was taken. ZoneError `unavailable` if the zone goes away before. */
  readonly ended: Promise<ProcessEnd & { readonly failure: Failure | undefined }>;
}

/** Failures after which init tells an exit status, as a shell has it, and the zone's errors are the process's own. */
const failuresOfProcess = new Set(['exec', 'user', 'directory']);

const nothing = new Uint8Array();

/**
 * Waits until what was asked for by RUN, EXEC or ATTACH has started, and attaches the streams to it. ZoneError of the guest's FAIL if it cannot
 * start. A process that cannot be executed has started and ended, with 126 or 127.
 */
export async function startSession(conversation: Conversation, streams: ZoneStreams): Promise<Session> {
  const first = await conversation.receive();
  if (first === undefined) throw hungUp();
  let failed: Failure | undefined;
  if (first.type === fromGuest.fail) {
    failed = readFailure(first.payload);
    if (!failuresOfProcess.has(failed.what)) throw failure(first.payload);
  } else if (first.type !== fromGuest.started) throw unexpected(first.type);
  const pid = failed === undefined && first.payload.length >= 4 ? readU32(first.payload, 0) : 0;
  const attached = new Attached(conversation, streams);
  return {
    pid,
    signal: number => attached.sendSignal(number),
    ended: attached.run(failed),
  };
}

class Attached {
  readonly #conversation: Conversation;
  readonly #streams: ZoneStreams;
  #granted = 0;
  #onGrant: (() => void) | undefined;
  #onOver: (() => void) | undefined;
  #over = false;

  constructor(conversation: Conversation, streams: ZoneStreams) {
    this.#conversation = conversation;
    this.#streams = streams;
  }

  sendSignal(number: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(number);
    this.#send(toGuest.signal, payload);
  }

  async run(failed: Failure | undefined): Promise<ProcessEnd & { readonly failure: Failure | undefined }> {
    const { terminal, stdin } = this.#streams;
    const stopResizing = terminal?.onResize(() => this.#send(toGuest.window, writeWindow(terminal.size())));
    const input = stdin === undefined ? undefined : this.#pumpInput(stdin);
    let inputFailed: unknown;
    // Whoever feeds us may fail while the process goes on: it is told that there is no more, and its end tells why.
    input?.catch(error => {
      inputFailed = error;
      this.#send(toGuest.stdinEnd, nothing);
    });
    try {
      let failure = failed;
      for (;;) {
        const message = await this.#conversation.receive();
        if (message === undefined) throw hungUp();
        const { type, payload } = message;
        if (type === fromGuest.stdout) await this.#streams.stdout(payload);
        else if (type === fromGuest.stderr) await this.#streams.stderr(payload);
        else if (type === fromGuest.grant) this.#grant(readU32(payload, 0));
        else if (type === fromGuest.fail) failure = readFailure(payload);
        else if (type === fromGuest.exit) {
          if (inputFailed !== undefined) throw inputFailed;
          return { ...readExit(payload), failure };
        } else throw unexpected(type);
      }
    } finally {
      this.#over = true;
      this.#onGrant?.();
      this.#onOver?.();
      stopResizing?.();
    }
  }

  async #pumpInput(stdin: AsyncIterable<Uint8Array>): Promise<void> {
    const most = this.#conversation.mostStdin;
    const iterator = stdin[Symbol.asyncIterator]();
    // Whoever waits for input that never comes is told that nobody wants it any more.
    this.#onOver = () => void iterator.return?.()?.catch(() => {});
    for (;;) {
      const { value: chunk, done } = await iterator.next();
      if (this.#over) return;
      if (done === true) break;
      for (let position = 0; position < chunk.length; ) {
        while (this.#granted === 0 && !this.#over) await this.#waitForGrant();
        if (this.#over) return;
        const end = Math.min(position + Math.min(most, this.#granted), chunk.length);
        this.#granted -= end - position;
        await this.#conversation.send(toGuest.stdin, chunk.subarray(position, end));
        position = end;
      }
    }
    await this.#conversation.send(toGuest.stdinEnd);
  }

  async #waitForGrant(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onGrant = resolve;
    await promise;
    this.#onGrant = undefined;
  }

  #grant(bytes: number): void {
    this.#granted += bytes;
    this.#onGrant?.();
  }

  /** What does not arrive is heard of where the conversation is read. */
  #send(type: number, payload: Uint8Array): void {
    if (!this.#over) this.#conversation.send(type, payload).catch(() => {});
  }
}

function readExit(payload: Uint8Array): ProcessEnd {
  const [status, signal, flags] = [readU32(payload, 0), readU32(payload, 4), readU32(payload, 8)];
  return {
    status: signal === 0 ? status % 256 : undefined,
    signal: signal === 0 ? undefined : signal,
    outOfMemory: (flags & exitFlag.outOfMemory) !== 0,
    timedOut: (flags & exitFlag.timeLimit) !== 0,
  };
}

function readU32(payload: Uint8Array, offset: number): number {
  if (payload.length < offset + 4) {
    throw new ZoneError('corrupt', 'the zone sent a message that is too short', {
      detail: { size: payload.length },
    });
  }
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).readUInt32LE(offset);
}
