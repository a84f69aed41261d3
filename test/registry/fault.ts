import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Which requests a fault meets. All that is given has to hold. */
export interface Match {
  readonly method?: string | undefined;
  /** Text that the path contains, or a pattern; a query is not part of the path. */
  readonly path?: string | RegExp | undefined;
  /** The how many-th of the matching requests, from 1; without it every one. */
  readonly nth?: number | readonly number[] | undefined;
  /** At most this many of them. */
  readonly times?: number | undefined;
}

/** What goes wrong with an answer; a fault may have several of these. Offsets and lengths are of the body that is sent. */
export interface Fault {
  /** Answered in place of the registry, with `body`. Without a status, the registry answers and the rest is done to that. */
  readonly status?: number | undefined;
  /** Added to the answer's own, or, if undefined, taken out. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: string | object | Uint8Array | undefined;
  /** Makes another body of it; Content-Length says the new length. */
  readonly transform?: ((body: Buffer) => Buffer) | undefined;
  /** Flips all bits of the byte there. */
  readonly corruptAt?: number | undefined;
  /** Without Content-Length: `Transfer-Encoding: chunked`. */
  readonly unsized?: boolean | undefined;
  /** The whole, with status 200, whichever range was asked for. */
  readonly ignoreRange?: boolean | undefined;
  /** 307, with the Authorization left to the client's good sense. */
  readonly redirect?: string | undefined;
  /** The connection is reset (RST) when that many bytes of the body were sent; -1: instead of any answer. */
  readonly resetAfter?: number | undefined;
  /** As `resetAfter`, but the connection ends as if all was well (FIN). */
  readonly closeAfter?: number | undefined;
  /** Reads that many bytes of the request's body, keeps them if it is an upload's, and resets the connection. */
  readonly resetRequestAfter?: number | undefined;
  /** Nothing more comes after that many bytes, and the connection stays; -1: not even the headers. */
  readonly silentAfter?: number | undefined;
  /** So many bytes at a time, every so many milliseconds. */
  readonly pace?: { readonly bytes: number; readonly milliseconds: number } | undefined;
  /** Waits at the gate after `after` bytes of the body; -1, the default: before the request is looked at. */
  readonly gate?: Gate | undefined;
  readonly gateAfter?: number | undefined;
}

/** Holds what arrives at it until a test says go. */
export class Gate {
  /** Requests that arrived so far. */
  count = 0;
  readonly #opened = Promise.withResolvers<void>();
  readonly #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  open(): void {
    this.#opened.resolve();
  }

  /** Fulfilled when that many requests have arrived. */
  async arrived(count = 1): Promise<void> {
    if (this.count >= count) return;
    await new Promise<void>(resolve => this.#waiters.push({ count, resolve }));
  }

  async pass(): Promise<void> {
    this.count++;
    for (const waiter of this.#waiters) if (this.count >= waiter.count) waiter.resolve();
    await this.#opened.promise;
  }
}

/** A fault in force. */
export class Rule {
  readonly #match: Match;
  readonly #fault: Fault;
  #seen = 0;
  /** How often it struck. */
  hits = 0;

  constructor(match: Match, fault: Fault) {
    this.#match = match;
    this.#fault = fault;
  }

  /** The fault if it strikes this request, which is counted. */
  strike(method: string, path: string): Fault | undefined {
    const match = this.#match;
    if (match.method !== undefined && match.method !== method) return undefined;
    if (typeof match.path === 'string' && !path.includes(match.path)) return undefined;
    if (match.path instanceof RegExp && !match.path.test(path)) return undefined;
    this.#seen++;
    if (match.nth !== undefined && ![match.nth].flat().includes(this.#seen)) return undefined;
    if (match.times !== undefined && this.hits >= match.times) return undefined;
    this.hits++;
    return this.#fault;
  }
}

/** Sends a body as the fault wants it; headers have been set and not sent. */
export async function sendBody(
  response: ServerResponse,
  body: Buffer,
  fault: Fault,
  onSent: (bytes: number) => void,
): Promise<void> {
  const { resetAfter, closeAfter, silentAfter, pace, gate } = fault;
  const gateAfter = gate === undefined ? undefined : (fault.gateAfter ?? -1);
  const stops = [resetAfter, closeAfter, silentAfter, gateAfter].filter(
    (at): at is number => at !== undefined && at >= 0,
  );
  if (stops.length === 0 && pace === undefined) {
    onSent(body.length);
    response.end(body);
    return;
  }
  response.flushHeaders();
  for (let sent = 0; ; ) {
    if (sent === gateAfter) await gate?.pass();
    if (sent === silentAfter) return;
    if (sent === resetAfter || sent === closeAfter) {
      // What was written should arrive before the end does.
      await sleep(5);
      if (sent === resetAfter) response.socket?.resetAndDestroy();
      else response.socket?.destroy();
      return;
    }
    if (sent >= body.length || response.destroyed) break;
    const next = Math.min(body.length, sent + (pace?.bytes ?? 65536), ...stops.filter(at => at > sent));
    await new Promise<void>(resolve => response.write(body.subarray(sent, next), () => resolve()));
    onSent(next - sent);
    sent = next;
    if (pace !== undefined) await sleep(pace.milliseconds);
  }
  response.end();
}
