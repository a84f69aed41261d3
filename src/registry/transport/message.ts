import type { Bytes } from '../../content/index.ts';
import type { ResponseBody } from './body.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What makes a server the one that is meant, and us the one who may talk to it. Texts are PEM. */
export interface Trust {
  /** Count in addition to the system's and Node's own. */
  readonly ca: readonly string[];
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Certificates are not verified, and plain http is allowed, also where redirects lead. */
  readonly insecure: boolean;
}

/** What is sent along. `open` is called once for each time that the request is sent. */
export interface Content {
  /** Bytes, exactly. */
  readonly size: number;
  open(): Bytes;
}

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  /** Go wherever redirects lead. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Credentials and what a configuration adds: for the origin of `url` and no other. */
  readonly ownHeaders?: Readonly<Record<string, string>> | undefined;
  readonly content?: Content | undefined;
  readonly trust: Trust;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Where it came from in the end. */
  readonly url: URL;
  /** Whether no other origin had a part in it: only then does it speak for the server that was asked. */
  readonly own: boolean;
  /** To be read to its end, or discarded. */
  readonly body: ResponseBody;
}

/** Milliseconds. */
export interface Timeouts {
  readonly connect: number;
  /** From the request to the response's status; of an upload, from one chunk to the next as well. */
  readonly firstByte: number;
  /** Without progress in a body. */
  readonly stall: number;
}

export const defaultTimeouts: Timeouts = { connect: 15_000, firstByte: 60_000, stall: 30_000 };

/** A header that may stand only once; of several, the first. */
export function findHeader(response: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' || value === undefined ? value : value[0];
}
