import type { WindowSize } from './process.ts';

/** Where a process of a zone reads from and writes to. */
export interface ZoneStreams {
  /** Absent: the process reads from /dev/null. It is read as fast as the process reads; `return` is called when it reads no more. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** The chunk is valid until the promise is fulfilled; as long as it is not, the process waits. */
  readonly stdout: (chunk: Uint8Array) => void | Promise<void>;
  readonly stderr: (chunk: Uint8Array) => void | Promise<void>;
  /** The process gets a terminal of its own, of this size. All output is stdout then. */
  readonly terminal?: ZoneTerminal | undefined;
}

/** The caller's terminal. */
export interface ZoneTerminal {
  size(): WindowSize;
  /** Calls the listener whenever the size has changed, until the result is called. */
  onResize(listener: () => void): () => void;
}

/** How a process ended. Exactly one of `status` and `signal` is defined. */
export interface ProcessEnd {
  /** 0 to 255. */
  readonly status: number | undefined;
  /** The number of the signal that ended it. */
  readonly signal: number | undefined;
  readonly outOfMemory: boolean;
  /** The time limit of the zone ended it. */
  readonly timedOut: boolean;
}
